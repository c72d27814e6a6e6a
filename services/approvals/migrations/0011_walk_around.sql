-- 持回りの事後登録 (AP-50): who decided outside the system, when, and the digest of what proves it.
ALTER TABLE decisions ADD COLUMN walk_around jsonb;
-- One action and one state more; what is there keeps the narrower check, so nothing has to be read again.
-- squawk-ignore ban-drop-constraint
ALTER TABLE decisions DROP CONSTRAINT decisions_action_check;
ALTER TABLE decisions ADD CONSTRAINT decisions_action_check CHECK (
    action IN (
        'approve', 'decide', 'decide_conditionally', 'concur', 'dissent', 'hold', 'send_back', 'reject', 'pull_up',
        'substitute', 'post_view', 'restart', 'confirm', 'recall', 'withdraw', 'replace', 'circulate',
        'ask_substitute', 'add_seat', 'register_walk_around'
    )
) NOT VALID;
ALTER TABLE decisions ADD CONSTRAINT decisions_walk_around CHECK (
    (action = 'register_walk_around') = (walk_around IS NOT NULL)
) NOT VALID;
-- squawk-ignore ban-drop-constraint
ALTER TABLE steps DROP CONSTRAINT steps_state_check;
ALTER TABLE steps ADD CONSTRAINT steps_state_check CHECK (
    state IN (
        'waiting', 'active', 'approved', 'concurred', 'dissented', 'held', 'sent_back', 'rejected', 'pulled_up',
        'substituted', 'postview_due', 'postviewed', 'struck', 'informed', 'decided', 'registered', 'cancelled'
    )
) NOT VALID;
-- A decider who was registered has a 後閲 to do, which follows an ended post as any other (AP-41).
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX steps_open;
CREATE INDEX steps_open ON steps (post_id, case_id)
WHERE state IN ('waiting', 'active', 'held', 'postview_due', 'pulled_up', 'substituted', 'registered');
