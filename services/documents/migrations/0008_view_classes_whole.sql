-- 閲覧区分 whole (AC-02): 1 課（室）内, 2 指定者のみ, 3 係内, 4 部内, 5 全庁. Wider bounds take the place of the old ones.
-- squawk-ignore ban-drop-constraint
ALTER TABLE classes DROP CONSTRAINT classes_view_class_check;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE classes ADD CONSTRAINT classes_view_class_check CHECK (view_class BETWEEN 1 AND 5);
-- squawk-ignore ban-drop-constraint
ALTER TABLE documents DROP CONSTRAINT documents_view_class_check;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE documents ADD CONSTRAINT documents_view_class_check CHECK (view_class BETWEEN 0 AND 5);
-- squawk-ignore ban-drop-constraint
ALTER TABLE viewers DROP CONSTRAINT viewers_reason_check;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE viewers ADD CONSTRAINT viewers_reason_check CHECK (
    reason IN (
        'drafter', 'owner_unit', 'section', 'designated', 'records_manager', 'department', 'city', 'route_step', 'acted',
        'circulation', 'grant'
    )
);

-- Of a receipt: its class, the staff it names, and the principals that see it, as of a document's owner unit.
ALTER TABLE receipts ADD COLUMN view_class smallint NOT NULL DEFAULT 1 CHECK (view_class BETWEEN 1 AND 3);
ALTER TABLE receipts ADD COLUMN designated text [] NOT NULL DEFAULT '{}';
ALTER TABLE receipts ADD COLUMN viewers text [] NOT NULL DEFAULT '{}';
-- Those that are there are for their unit, as they were; nothing else of a receipt ever changes.
ALTER TABLE receipts DISABLE TRIGGER guard;
UPDATE receipts SET viewers = ARRAY['unit:' || unit_id];
ALTER TABLE receipts ENABLE TRIGGER guard;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE receipts ADD CONSTRAINT receipts_have_viewers CHECK (viewers <> '{}');
GRANT UPDATE (viewers) ON receipts TO ${app};
