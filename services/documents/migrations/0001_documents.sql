-- What is written and kept. The application role has exactly the grants named here: no UPDATE or
-- DELETE where nothing may change, and triggers where it depends on the state (I3, LC-14, LC-15).

-- Units: only what numbering needs; names belong to approvals.
CREATE TABLE units (
    unit_id text PRIMARY KEY,
    parent_id text NOT NULL DEFAULT '',
    symbol text NOT NULL
);

-- File plan (FL-01). unit_id '' = common to all units.
CREATE TABLE classes (
    class_code text PRIMARY KEY,
    large text NOT NULL,
    middle text NOT NULL,
    small text NOT NULL,
    unit_id text NOT NULL DEFAULT '',
    matter text NOT NULL,
    retention text NOT NULL,
    basis text NOT NULL DEFAULT '',
    disclosure smallint NOT NULL,
    personal_information smallint NOT NULL,
    paper_only boolean NOT NULL DEFAULT false,
    after_expiry text NOT NULL DEFAULT 'dispose'
);

CREATE TABLE folders (
    folder_id text PRIMARY KEY,
    unit_id text NOT NULL,
    fiscal_year integer NOT NULL,
    class_code text NOT NULL REFERENCES classes,
    name text NOT NULL,
    -- Of the class when the folder was made: everything in one folder is kept equally long (FL-03).
    retention text NOT NULL
);
CREATE INDEX folders_unit ON folders (unit_id, fiscal_year);

-- Registers: the row lock on `next` makes numbers gapless (NB-05).
CREATE TABLE registers (
    register text NOT NULL CHECK (register IN ('receipt', 'draft', 'dispatch')),
    symbol text NOT NULL,
    fiscal_year integer NOT NULL,
    next bigint NOT NULL,
    PRIMARY KEY (register, symbol, fiscal_year)
);

CREATE TABLE numbers (
    register text NOT NULL,
    symbol text NOT NULL,
    fiscal_year integer NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    written text NOT NULL,
    issued_to uuid NOT NULL,
    issued_at timestamptz NOT NULL,
    issued_by text NOT NULL,
    PRIMARY KEY (register, symbol, fiscal_year, number)
);
CREATE INDEX numbers_issued_to ON numbers (issued_to);

-- 欠番(取消): the number stays consumed (NB-06).
CREATE TABLE number_cancellations (
    register text NOT NULL,
    symbol text NOT NULL,
    fiscal_year integer NOT NULL,
    number bigint NOT NULL,
    reason text NOT NULL,
    cancelled_at timestamptz NOT NULL,
    PRIMARY KEY (register, symbol, fiscal_year, number)
);

CREATE TABLE receipts (
    receipt_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    receipt_number text NOT NULL UNIQUE,
    title text NOT NULL,
    sender_kind text NOT NULL,
    sender_name text NOT NULL,
    sender_reference text NOT NULL,
    received_on date NOT NULL,
    arrived_on date NOT NULL CHECK (arrived_on <= received_on),
    medium text NOT NULL,
    unit_id text NOT NULL,
    due_on date,
    class_code text NOT NULL,
    backdated_reason text NOT NULL,
    registered_at timestamptz NOT NULL,
    registered_by text NOT NULL,
    search tsvector NOT NULL,
    key text NOT NULL
);
CREATE INDEX receipts_unit ON receipts (unit_id, receipt_id DESC);
CREATE INDEX receipts_search ON receipts USING gin (search);

CREATE TABLE documents (
    document_id uuid PRIMARY KEY,
    -- Grows by one with every event of the document.
    version bigint NOT NULL,
    -- 1 drafting, 2 circulating, 3 sent back, 4 withdrawn, 5 rejected, 6 decided, 7 enforced, 8 completed
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 8),
    revision integer NOT NULL,
    -- The last revision that was submitted, 0 before.
    frozen_revision integer NOT NULL DEFAULT 0,
    title text NOT NULL,
    subtitle text NOT NULL,
    body text NOT NULL,
    folder_id text NOT NULL,
    class_code text NOT NULL,
    decision_class text NOT NULL,
    disclosure smallint NOT NULL,
    personal_information smallint NOT NULL,
    counterparty text NOT NULL,
    amount bigint,
    enforcement_required boolean NOT NULL,
    enforcement_planned_on date,
    enforcement_method text NOT NULL,
    enforcement_addressee text NOT NULL,
    urgent boolean NOT NULL,
    unit_id text NOT NULL,
    drafter text NOT NULL,
    drafter_post text NOT NULL,
    -- Of the frozen revision; empty while the text differs from it.
    version_digest text NOT NULL DEFAULT '',
    draft_number text NOT NULL DEFAULT '',
    dispatch_number text NOT NULL DEFAULT '',
    case_id uuid,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    submitted_at timestamptz,
    decided_at timestamptz,
    decided_by text NOT NULL DEFAULT '',
    enforced_on date,
    enforced_method text NOT NULL DEFAULT '',
    enforced_addressee text NOT NULL DEFAULT '',
    collated_by text NOT NULL DEFAULT '',
    completed_on date,
    fiscal_year integer,
    retention text NOT NULL DEFAULT '',
    retention_from date,
    retention_until date,
    manifest_digest text NOT NULL DEFAULT ''
);
CREATE INDEX documents_unit ON documents (unit_id, document_id DESC);
CREATE INDEX documents_folder ON documents (folder_id);
CREATE INDEX documents_unit_state ON documents (unit_id, state, document_id DESC);
CREATE INDEX documents_unit_class ON documents (unit_id, class_code, document_id DESC);
CREATE INDEX documents_draft_number ON documents (draft_number) WHERE draft_number <> '';
CREATE INDEX documents_dispatch_number ON documents (dispatch_number) WHERE dispatch_number <> '';

-- The wrapped content key stands apart: destroying it makes every copy of the content unreadable (I6), and
-- touches nothing else.
CREATE TABLE document_keys (
    document_id uuid PRIMARY KEY,
    wrapped bytea NOT NULL
);

CREATE TABLE document_receipts (
    document_id uuid NOT NULL,
    receipt_id uuid NOT NULL REFERENCES receipts,
    PRIMARY KEY (document_id, receipt_id)
);
CREATE INDEX document_receipts_receipt ON document_receipts (receipt_id);

-- What search looks at. Apart from documents, so that a change of state writes no index entries; texts are
-- moved out of line, so that reading the many rows an index names touches few pages.
CREATE TABLE document_texts (
    document_id uuid PRIMARY KEY,
    -- Two-character pieces of `key`, and the owner unit as one more lexeme: an index may meet both at once.
    search tsvector NOT NULL,
    -- Folded text (NM-01), fields separated by line feeds, for the exact check.
    key text NOT NULL
) WITH (toast_tuple_target = 128);
CREATE INDEX document_texts_search ON document_texts USING gin (search);

-- Frozen at submission: exactly what approvers were served (I4).
CREATE TABLE revisions (
    document_id uuid NOT NULL,
    revision integer NOT NULL,
    version_digest text NOT NULL,
    -- RFC 8785 JSON whose sha256 is the digest; it contains the salt.
    content bytea NOT NULL,
    frozen_at timestamptz NOT NULL,
    PRIMARY KEY (document_id, revision)
);

CREATE TABLE attachments (
    attachment_id uuid PRIMARY KEY,
    document_id uuid NOT NULL,
    position integer NOT NULL,
    -- Working revision it came with; removed ones of a frozen revision stay, with the revision they are gone from.
    revision integer NOT NULL,
    removed_revision integer,
    file_name text NOT NULL,
    content_type text NOT NULL,
    size bigint NOT NULL,
    sha256 text NOT NULL,
    object_key text NOT NULL,
    version_id text NOT NULL,
    added_after_decision boolean NOT NULL,
    added_at timestamptz NOT NULL,
    added_by text NOT NULL,
    UNIQUE (object_key, version_id)
);
CREATE INDEX attachments_document ON attachments (document_id, position);

-- An upload that has begun. Swept when its process died.
CREATE TABLE uploads (
    attachment_id uuid PRIMARY KEY,
    document_id uuid NOT NULL,
    staff_id text NOT NULL,
    started_at timestamptz NOT NULL
);

CREATE TABLE annotations (
    annotation_id uuid PRIMARY KEY,
    document_id uuid NOT NULL,
    text text NOT NULL,
    staff_id text NOT NULL,
    added_at timestamptz NOT NULL
);
CREATE INDEX annotations_document ON annotations (document_id, annotation_id);

-- Who may see a document, why, and from when to when. Rows are ended, never removed (AC-10).
CREATE TABLE viewers (
    viewer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id uuid NOT NULL,
    principal text NOT NULL,
    reason text NOT NULL CHECK (reason IN ('drafter', 'owner_unit', 'route_step', 'acted', 'circulation', 'grant')),
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    case_id uuid,
    step_id text NOT NULL DEFAULT ''
);
CREATE INDEX viewers_document ON viewers (document_id, principal) INCLUDE (valid_from, valid_to);
CREATE INDEX viewers_principal ON viewers (principal, document_id DESC) INCLUDE (valid_from, valid_to);
-- Everything but a unit's own documents: few for each reader.
CREATE INDEX viewers_other ON viewers (principal, document_id DESC) INCLUDE (valid_from, valid_to)
WHERE reason <> 'owner_unit';

-- Newest snapshot of each approval case, as approvals announced it.
CREATE TABLE cases (
    case_id uuid PRIMARY KEY,
    document_id uuid NOT NULL,
    case_version bigint NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    decisions jsonb NOT NULL
);
CREATE INDEX cases_document ON cases (document_id);

CREATE TABLE history (
    event_id uuid PRIMARY KEY,
    document_id uuid NOT NULL,
    version bigint NOT NULL,
    action text NOT NULL,
    occurred_at timestamptz NOT NULL,
    staff_id text NOT NULL,
    post_id text NOT NULL,
    unit_id text NOT NULL,
    detail jsonb NOT NULL
);
CREATE INDEX history_document ON history (document_id, version, event_id);

CREATE TABLE manifests (
    document_id uuid PRIMARY KEY,
    item_id uuid NOT NULL,
    manifest_digest text NOT NULL,
    object_key text NOT NULL,
    version_id text NOT NULL,
    UNIQUE (object_key, version_id)
);

-- One job per decision, late attachment and completion: done when every object carries the date.
CREATE TABLE content_locks (
    lock_id uuid PRIMARY KEY,
    document_id uuid NOT NULL,
    version_digest text NOT NULL,
    retain_until timestamptz NOT NULL,
    wanted_at timestamptz NOT NULL,
    applied_at timestamptz
);
CREATE INDEX content_locks_document ON content_locks (document_id);
CREATE INDEX content_locks_open ON content_locks (wanted_at) WHERE applied_at IS NULL;

CREATE TABLE object_locks (
    lock_id uuid NOT NULL REFERENCES content_locks,
    object_key text NOT NULL,
    version_id text NOT NULL,
    document_id uuid NOT NULL,
    retain_until timestamptz NOT NULL,
    -- What the store said it holds.
    applied_until timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    PRIMARY KEY (lock_id, object_key, version_id)
);
CREATE INDEX object_locks_object ON object_locks (object_key, version_id) WHERE applied_until IS NOT NULL;
CREATE INDEX object_locks_due ON object_locks (next_attempt_at) WHERE applied_until IS NULL;

-- Object versions that no row names any more, to be deleted.
CREATE TABLE object_discards (
    object_key text NOT NULL,
    version_id text NOT NULL,
    discarded_at timestamptz NOT NULL,
    PRIMARY KEY (object_key, version_id)
);

-- ---------------------------------------------------------------- guards

CREATE FUNCTION guard_document() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 8 THEN
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
    IF (NEW.document_id, NEW.unit_id, NEW.drafter, NEW.drafter_post, NEW.created_at)
        IS DISTINCT FROM (OLD.document_id, OLD.unit_id, OLD.drafter, OLD.drafter_post, OLD.created_at)
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
CREATE TRIGGER guard BEFORE UPDATE OR DELETE ON documents FOR EACH ROW EXECUTE FUNCTION guard_document();

-- Rows that belong to a document follow its state. TG_ARGV: the states in which each operation may be.
CREATE FUNCTION guard_part() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owner uuid := CASE WHEN TG_OP = 'DELETE' THEN OLD.document_id ELSE NEW.document_id END;
    current_state smallint;
BEGIN
    SELECT d.state INTO current_state FROM documents AS d WHERE d.document_id = owner;
    IF current_state IS NOT NULL AND NOT current_state = ANY (TG_ARGV[0]::smallint[]) THEN
        RAISE EXCEPTION '% of document % may not change in state %', TG_TABLE_NAME, owner, current_state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END
$$;
CREATE TRIGGER guard BEFORE INSERT ON annotations FOR EACH ROW EXECUTE FUNCTION guard_part('{6,7}');
-- Without its key a document is unreadable for ever: the application may drop it with a draft only.
CREATE TRIGGER guard BEFORE DELETE ON document_keys FOR EACH ROW EXECUTE FUNCTION guard_part('{1}');
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON document_receipts
    FOR EACH ROW EXECUTE FUNCTION guard_part('{1,3}');
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON document_texts
    FOR EACH ROW EXECUTE FUNCTION guard_part('{1,2,3,4,5,6,7}');
CREATE TRIGGER guard BEFORE INSERT ON revisions FOR EACH ROW EXECUTE FUNCTION guard_part('{1,3}');
CREATE TRIGGER guard BEFORE INSERT ON manifests FOR EACH ROW EXECUTE FUNCTION guard_part('{6,7}');

CREATE FUNCTION guard_attachment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owner uuid := CASE WHEN TG_OP = 'DELETE' THEN OLD.document_id ELSE NEW.document_id END;
    d record;
BEGIN
    SELECT state, frozen_revision INTO d FROM documents WHERE document_id = owner;
    IF TG_OP = 'INSERT' THEN
        IF d.state IN (1, 3) AND NOT NEW.added_after_decision AND NEW.revision > d.frozen_revision
            OR d.state IN (6, 7) AND NEW.added_after_decision THEN
            RETURN NEW;
        END IF;
    ELSIF TG_OP = 'UPDATE' THEN
        IF d.state = 3 AND OLD.removed_revision IS NULL AND NEW.removed_revision > d.frozen_revision THEN
            RETURN NEW;
        END IF;
    ELSIF d.state IN (1, 3) AND OLD.revision > d.frozen_revision THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'attachments of document % may not change so in state %', owner, d.state
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON attachments
    FOR EACH ROW EXECUTE FUNCTION guard_attachment();

CREATE FUNCTION guard_register() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.next <> OLD.next + 1 THEN
        RAISE EXCEPTION 'a register only counts up by one' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard BEFORE UPDATE ON registers FOR EACH ROW EXECUTE FUNCTION guard_register();

CREATE FUNCTION guard_viewer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.valid_to IS NOT NULL OR NEW.valid_to IS NULL THEN
        RAISE EXCEPTION 'a right is ended once and never changed' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard BEFORE UPDATE ON viewers FOR EACH ROW EXECUTE FUNCTION guard_viewer();

-- ---------------------------------------------------------------- grants

GRANT SELECT, INSERT, UPDATE ON units, classes, folders TO ${app};
GRANT SELECT, INSERT ON registers TO ${app};
GRANT UPDATE (next) ON registers TO ${app};
GRANT SELECT, INSERT ON numbers, number_cancellations TO ${app};
GRANT SELECT, INSERT ON receipts TO ${app};
GRANT SELECT, INSERT, UPDATE, DELETE ON documents, document_texts TO ${app};
GRANT SELECT, INSERT, DELETE ON document_keys, document_receipts TO ${app};
GRANT SELECT, INSERT ON revisions, annotations, history, manifests TO ${app};
GRANT SELECT, INSERT, DELETE ON attachments TO ${app};
GRANT UPDATE (removed_revision) ON attachments TO ${app};
GRANT SELECT, INSERT, DELETE ON uploads, object_discards TO ${app};
GRANT SELECT, INSERT ON viewers TO ${app};
GRANT UPDATE (valid_to) ON viewers TO ${app};
GRANT SELECT, INSERT ON cases TO ${app};
GRANT UPDATE (case_version, state, reason, decisions) ON cases TO ${app};
GRANT SELECT, INSERT ON content_locks, object_locks TO ${app};
GRANT UPDATE (applied_at) ON content_locks TO ${app};
GRANT UPDATE (applied_until, attempts, next_attempt_at) ON object_locks TO ${app};
