-- An act marks as read what others were told of its case and that waits no longer: found by the case, whoever was told.
CREATE INDEX notices_unread_of_case ON notices (case_id) WHERE read_at IS NULL;
