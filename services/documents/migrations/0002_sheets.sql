-- The approval sheet (鑑): drawn once at 決裁 and once at 完結, a file of the document like any other.

-- The 決裁欄 of a decided case, as approvals announced it.
ALTER TABLE cases ADD COLUMN seats jsonb NOT NULL DEFAULT '[]';
GRANT UPDATE (seats) ON cases TO ${app};

ALTER TABLE attachments ADD COLUMN sheet text NOT NULL DEFAULT '' CHECK (sheet IN ('', 'decided', 'completed'));
CREATE UNIQUE INDEX attachments_sheet ON attachments (document_id, sheet) WHERE sheet <> '';

-- What the sheet of a decision says, settled with the decision; the row goes when it is drawn and stored.
CREATE TABLE sheet_jobs (
    document_id uuid PRIMARY KEY,
    content jsonb NOT NULL,
    retain_until timestamptz NOT NULL,
    wanted_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL
);
CREATE INDEX sheet_jobs_due ON sheet_jobs (next_attempt_at);
GRANT SELECT, INSERT, DELETE ON sheet_jobs TO ${app};
GRANT UPDATE (attempts, next_attempt_at) ON sheet_jobs TO ${app};

-- 完結 is impossible without both sheets.
CREATE FUNCTION guard_sheets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM attachments AS a WHERE a.document_id = NEW.document_id AND a.sheet <> '') <> 2 THEN
        RAISE EXCEPTION 'document % lacks an approval sheet', NEW.document_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard_sheets BEFORE UPDATE OF state ON documents
FOR EACH ROW WHEN (NEW.state = 8 AND OLD.state <> 8) EXECUTE FUNCTION guard_sheets();
