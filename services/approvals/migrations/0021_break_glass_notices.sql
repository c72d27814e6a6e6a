-- 緊急閲覧 (AC-08): the 所属長 is told of a document, which need not have a case. Its number and id stand in the notice itself;
-- there is still no place for a title (AC-14).
-- squawk-ignore ban-drop-not-null
ALTER TABLE notices ALTER COLUMN case_id DROP NOT NULL;
ALTER TABLE notices ADD COLUMN document_id uuid;
ALTER TABLE notices ADD COLUMN draft_number text NOT NULL DEFAULT '';
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE notices ADD CONSTRAINT notices_of_something CHECK ((case_id IS NULL) = (document_id IS NOT NULL));
-- Wider ones take its place.
-- squawk-ignore ban-drop-constraint
ALTER TABLE notices DROP CONSTRAINT notices_kind_check;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE notices ADD CONSTRAINT notices_kind_check CHECK (
    kind IN (
        'rejected', 'withdrawn', 'sent_back', 'decided', 'substitute', 'urgent_turn', 'turn', 'post_view',
        'circulation', 'reminder', 'escalation', 'break_glass', 'break_glass_ended'
    )
);
