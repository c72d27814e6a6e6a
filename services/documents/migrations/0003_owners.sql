-- 担当者 (AP-42): who carries on when the drafter has left the owner unit; '' while the drafter does.
ALTER TABLE documents ADD COLUMN assignee text NOT NULL DEFAULT '';

-- Before circulation a document is seen by one person as a member of its unit: the right ends by itself on the day they
-- belong to it no more (AC-05).
WITH ended AS (
    UPDATE viewers SET valid_to = greatest(now(), valid_from) WHERE reason = 'drafter' AND valid_to IS NULL
    RETURNING document_id, principal
)
INSERT INTO viewers (document_id, principal, reason, valid_from)
SELECT e.document_id, replace(e.principal, 'staff:', 'member:') || '@' || d.unit_id, 'drafter', now()
FROM ended AS e INNER JOIN documents AS d ON d.document_id = e.document_id;

-- ---------------------------------------------------------------- 所管替え (RT-10)

-- When a unit ended and which one took over, as approvals announced it; '' while nobody did. What is older is ignored.
ALTER TABLE units ADD COLUMN ended_on date;
ALTER TABLE units ADD COLUMN heir text NOT NULL DEFAULT '';
ALTER TABLE units ADD COLUMN directory_version bigint NOT NULL DEFAULT 0;

-- Whose a document, folder or receipt was before, for ever: [owned_from, owned_to).
CREATE TABLE former_owners (
    kind text NOT NULL CHECK (kind IN ('document', 'folder', 'receipt')),
    object_id text NOT NULL,
    unit_id text NOT NULL,
    -- NULL for a folder that was loaded from a file.
    owned_from timestamptz,
    owned_to timestamptz NOT NULL,
    next_unit_id text NOT NULL,
    PRIMARY KEY (kind, object_id, owned_to)
);
CREATE INDEX former_owners_unit ON former_owners (unit_id, kind, object_id);
GRANT SELECT, INSERT ON former_owners TO ${app};
GRANT UPDATE (unit_id, search, version) ON receipts TO ${app};

-- An owner changes only from a unit that has ended to the one that took over, and never silently.
CREATE FUNCTION keep_owners() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM units AS u
        INNER JOIN former_owners AS f ON f.unit_id = u.unit_id AND f.next_unit_id = u.heir
        WHERE u.unit_id = OLD.unit_id AND u.ended_on IS NOT NULL AND u.heir = NEW.unit_id
            AND f.kind = TG_ARGV[0] AND f.object_id = to_jsonb(OLD) ->> (TG_ARGV[0] || '_id')
    ) THEN
        RAISE EXCEPTION '% %: the owner changes by 所管替え only', TG_ARGV[0], to_jsonb(OLD) ->> (TG_ARGV[0] || '_id')
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE CONSTRAINT TRIGGER keep_owners AFTER UPDATE ON documents DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (OLD.unit_id <> NEW.unit_id) EXECUTE FUNCTION keep_owners('document');
CREATE CONSTRAINT TRIGGER keep_owners AFTER UPDATE ON folders DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (OLD.unit_id <> NEW.unit_id) EXECUTE FUNCTION keep_owners('folder');
CREATE CONSTRAINT TRIGGER keep_owners AFTER UPDATE ON receipts DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (OLD.unit_id <> NEW.unit_id) EXECUTE FUNCTION keep_owners('receipt');

-- The first and the last of these checks are new: 所管替え of a completed document (LC-18), and the unit of any other.
CREATE OR REPLACE FUNCTION guard_document() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 8 AND NOT (
        TG_OP = 'UPDATE' AND NEW.unit_id <> OLD.unit_id
        AND to_jsonb(NEW) - ARRAY['unit_id', 'version'] = to_jsonb(OLD) - ARRAY['unit_id', 'version']
    ) THEN
        RAISE EXCEPTION 'document % is completed and never changes', OLD.document_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN
        IF OLD.state <> 1 OR OLD.draft_number <> '' THEN
            RAISE EXCEPTION 'document % has circulated and is never deleted', OLD.document_id
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF NEW.version <= OLD.version THEN
        RAISE EXCEPTION 'document %: the version only grows', OLD.document_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state <> OLD.state AND NOT (OLD.state, NEW.state) IN (
        (1, 2), (3, 2), (2, 3), (2, 4), (3, 4), (2, 5), (2, 6), (6, 7), (6, 8), (7, 8)
    ) THEN
        RAISE EXCEPTION 'document %: no way from state % to %', OLD.document_id, OLD.state, NEW.state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (NEW.document_id, NEW.drafter, NEW.drafter_post, NEW.created_at)
        IS DISTINCT FROM (OLD.document_id, OLD.drafter, OLD.drafter_post, OLD.created_at)
        OR (OLD.draft_number <> '' AND NEW.draft_number <> OLD.draft_number)
        OR (OLD.dispatch_number <> '' AND NEW.dispatch_number <> OLD.dispatch_number) THEN
        RAISE EXCEPTION 'document %: origin and numbers never change', OLD.document_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    -- Only drafts and documents sent back may be edited. Completion may choose another folder of the plan.
    IF OLD.state NOT IN (1, 3) AND (
        (NEW.title, NEW.subtitle, NEW.body, NEW.decision_class, NEW.disclosure, NEW.personal_information,
         NEW.counterparty, NEW.amount, NEW.enforcement_required, NEW.enforcement_planned_on,
         NEW.enforcement_method, NEW.enforcement_addressee, NEW.urgent, NEW.revision, NEW.frozen_revision,
         NEW.version_digest)
        IS DISTINCT FROM
        (OLD.title, OLD.subtitle, OLD.body, OLD.decision_class, OLD.disclosure, OLD.personal_information,
         OLD.counterparty, OLD.amount, OLD.enforcement_required, OLD.enforcement_planned_on,
         OLD.enforcement_method, OLD.enforcement_addressee, OLD.urgent, OLD.revision, OLD.frozen_revision,
         OLD.version_digest)
        OR (NEW.state <> 8 AND (NEW.folder_id, NEW.class_code) IS DISTINCT FROM (OLD.folder_id, OLD.class_code))
    ) THEN
        RAISE EXCEPTION 'document %: the text may not change in state %', OLD.document_id, OLD.state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.decided_at IS NOT NULL
        AND (NEW.decided_at, NEW.decided_by) IS DISTINCT FROM (OLD.decided_at, OLD.decided_by) THEN
        RAISE EXCEPTION 'document %: the decision never changes', OLD.document_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

-- Of a completed document search may find another owner, never another text.
CREATE FUNCTION guard_text() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owner uuid := CASE WHEN TG_OP = 'DELETE' THEN OLD.document_id ELSE NEW.document_id END;
BEGIN
    IF (SELECT d.state FROM documents AS d WHERE d.document_id = owner) = 8
        AND (TG_OP <> 'UPDATE' OR NEW.key <> OLD.key OR NEW.document_id <> OLD.document_id
            OR NOT EXISTS (SELECT FROM former_owners AS f WHERE f.kind = 'document' AND f.object_id = owner::text)) THEN
        RAISE EXCEPTION 'the text of document % may not change', owner USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END
$$;
DROP TRIGGER guard ON document_texts;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON document_texts
FOR EACH ROW EXECUTE FUNCTION guard_text();

-- Of a receipt nothing changes but whose it is.
CREATE FUNCTION guard_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.unit_id = OLD.unit_id OR NEW.version <= OLD.version THEN
        RAISE EXCEPTION 'receipt % never changes', OLD.receipt_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard BEFORE UPDATE ON receipts FOR EACH ROW EXECUTE FUNCTION guard_receipt();
