-- An act marks as read what others were told of its case and that waits no longer: found by the case, whoever was told.
CREATE INDEX notices_unread_of_case ON notices (case_id) WHERE read_at IS NULL;

-- A planned set that midnight refused: who planned it is told. Such a notice is about the set; others are about a case or a
-- document. There is still no place for a title (AC-14).
ALTER TABLE notices ADD COLUMN change_set_id uuid;
-- squawk-ignore constraint-missing-not-valid, adding-foreign-key-constraint
ALTER TABLE notices ADD CONSTRAINT notices_change_set FOREIGN KEY (change_set_id) REFERENCES change_sets;
-- Wider ones take their place.
-- squawk-ignore ban-drop-constraint
ALTER TABLE notices DROP CONSTRAINT notices_of_something;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE notices ADD CONSTRAINT notices_of_something CHECK (num_nonnulls(case_id, document_id, change_set_id) = 1);
-- squawk-ignore ban-drop-constraint
ALTER TABLE notices DROP CONSTRAINT notices_kind_check;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE notices ADD CONSTRAINT notices_kind_check CHECK (
    kind IN (
        'rejected', 'withdrawn', 'sent_back', 'decided', 'substitute', 'urgent_turn', 'turn', 'post_view',
        'circulation', 'reminder', 'escalation', 'break_glass', 'break_glass_ended', 'change_set_refused'
    )
);
