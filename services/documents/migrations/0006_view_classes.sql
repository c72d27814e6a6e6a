-- 閲覧区分 (AC-02): 1 課（室）内, 2 指定者のみ; 0 of a draft that has no class yet. A class gives the widest one.
ALTER TABLE classes ADD COLUMN view_class smallint NOT NULL DEFAULT 1 CHECK (view_class BETWEEN 1 AND 2);
ALTER TABLE documents ADD COLUMN view_class smallint NOT NULL DEFAULT 0 CHECK (view_class BETWEEN 0 AND 2);
-- Staff ids.
ALTER TABLE documents ADD COLUMN designated text [] NOT NULL DEFAULT '{}';

-- As all of the text: only drafts and documents sent back may be edited.
CREATE FUNCTION guard_view_class() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'document %: who of the unit sees it may not change in state %', OLD.document_id, OLD.state
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER guard_view_class BEFORE UPDATE ON documents FOR EACH ROW
WHEN (OLD.state NOT IN (1, 3) AND (NEW.view_class, NEW.designated) IS DISTINCT FROM (OLD.view_class, OLD.designated))
EXECUTE FUNCTION guard_view_class();

-- A wider one takes its place.
-- squawk-ignore ban-drop-constraint
ALTER TABLE viewers DROP CONSTRAINT viewers_reason_check;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE viewers ADD CONSTRAINT viewers_reason_check CHECK (
    reason IN (
        'drafter', 'owner_unit', 'designated', 'records_manager', 'route_step', 'acted', 'circulation', 'grant'
    )
);
