-- 引上げ依頼 (AP-17): one action more; what is there keeps the narrower check, so nothing has to be read again.
-- squawk-ignore ban-drop-constraint
ALTER TABLE decisions DROP CONSTRAINT decisions_action_check;
ALTER TABLE decisions ADD CONSTRAINT decisions_action_check CHECK (
    action IN (
        'approve', 'decide', 'decide_conditionally', 'concur', 'dissent', 'hold', 'send_back', 'reject', 'pull_up',
        'substitute', 'post_view', 'restart', 'confirm', 'recall', 'withdraw', 'replace', 'circulate',
        'ask_substitute', 'ask_pull_up', 'add_seat', 'register_walk_around'
    )
) NOT VALID;
