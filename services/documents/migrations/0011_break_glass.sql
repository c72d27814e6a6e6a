-- 緊急閲覧 (break-glass, AC-08): one document shown to one person for some hours, by the word of two.
CREATE TABLE break_glass (
    break_glass_id uuid PRIMARY KEY,
    -- Id or number as asked for; looked up at the consent, so that nothing here tells before whether there is one (AC-03).
    named text NOT NULL CHECK (named <> ''),
    reason text NOT NULL CHECK (reason <> ''),
    hours integer NOT NULL CHECK (hours BETWEEN 1 AND 24),
    requested_by text NOT NULL CHECK (requested_by <> '' AND requested_by NOT LIKE 'vendor:%'),
    requested_as text NOT NULL CHECK (requested_as IN ('system_admin', 'records_officer', 'audit_officer')),
    requested_at timestamptz NOT NULL,
    -- Until when it waits for consent; after that, until when it is open.
    ends_at timestamptz NOT NULL,
    -- Another person, from another role.
    consented_by text NOT NULL DEFAULT '' CHECK (consented_by NOT LIKE 'vendor:%'),
    consented_as text NOT NULL DEFAULT '' CHECK (consented_as IN ('', 'records_officer', 'audit_officer')),
    consented_at timestamptz,
    -- What it shows; NULL before the consent, and when there is no such document.
    document_id uuid,
    -- Who ended it and when; this service when its time was up.
    ended_by text NOT NULL DEFAULT '',
    ended_at timestamptz,
    version bigint NOT NULL CHECK (version > 0),
    CHECK (consented_by <> requested_by),
    CHECK (consented_as <> requested_as),
    CHECK ((consented_by = '') = (consented_at IS NULL)),
    CHECK ((consented_as = '') = (consented_at IS NULL)),
    CHECK (document_id IS NULL OR consented_at IS NOT NULL),
    CHECK ((ended_by = '') = (ended_at IS NULL))
);
CREATE INDEX break_glass_requested ON break_glass (requested_at DESC);
CREATE INDEX break_glass_document ON break_glass (document_id) WHERE document_id IS NOT NULL;
CREATE INDEX break_glass_unended ON break_glass (ends_at) WHERE ended_at IS NULL;

CREATE FUNCTION guard_break_glass() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.consented_at IS NULL AND NEW.ended_at IS NULL AND NEW.requested_at <= now() + interval '1 minute'
            AND NEW.ends_at = NEW.requested_at + interval '24 hours' THEN
            RETURN NEW;
        END IF;
    ELSIF OLD.ended_at IS NULL AND NEW.version > OLD.version THEN
        -- Consented in time, once, for the hours that were asked for.
        IF OLD.consented_at IS NULL AND NEW.consented_at IS NOT NULL THEN
            IF now() < OLD.ends_at AND NEW.ended_at IS NULL AND NEW.consented_at <= now() + interval '1 minute'
                AND NEW.ends_at = NEW.consented_at + make_interval(hours => OLD.hours) THEN
                RETURN NEW;
            END IF;
        ELSIF NEW.ended_at IS NOT NULL
            AND (NEW.consented_by, NEW.consented_as, NEW.consented_at, NEW.document_id, NEW.ends_at)
            IS NOT DISTINCT FROM (OLD.consented_by, OLD.consented_as, OLD.consented_at, OLD.document_id, OLD.ends_at) THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'break-glass % is asked for, consented to in time and ended, once each', NEW.break_glass_id
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON break_glass FOR EACH ROW EXECUTE FUNCTION guard_break_glass();

GRANT SELECT, INSERT ON break_glass TO ${app};
GRANT UPDATE (consented_by, consented_as, consented_at, document_id, ends_at, ended_by, ended_at, version)
ON break_glass TO ${app};

-- A wider one takes its place.
-- squawk-ignore ban-drop-constraint
ALTER TABLE viewers DROP CONSTRAINT viewers_reason_check;
-- squawk-ignore constraint-missing-not-valid
ALTER TABLE viewers ADD CONSTRAINT viewers_reason_check CHECK (
    reason IN (
        'drafter', 'owner_unit', 'section', 'designated', 'records_manager', 'department', 'city', 'route_step', 'acted',
        'circulation', 'grant', 'break_glass'
    )
);

-- Whatever the code does: nothing is shown so but what two persons agreed on, to who asked, until then.
CREATE FUNCTION guard_break_glass_view() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM break_glass AS b
        WHERE b.document_id = NEW.document_id AND 'staff:' || b.requested_by = NEW.principal
            AND b.consented_at IS NOT NULL AND b.ended_at IS NULL AND b.ends_at = NEW.valid_to
    ) THEN
        RAISE EXCEPTION 'document % is shown by break-glass only as two persons agreed', NEW.document_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard_break_glass BEFORE INSERT ON viewers FOR EACH ROW
WHEN (NEW.reason = 'break_glass') EXECUTE FUNCTION guard_break_glass_view();

-- As before; and a right that has an end from the beginning may end earlier, never later.
CREATE OR REPLACE FUNCTION guard_viewer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.valid_to IS NULL
        OR (OLD.valid_to IS NOT NULL AND NOT (OLD.reason = 'break_glass' AND NEW.valid_to < OLD.valid_to)) THEN
        RAISE EXCEPTION 'a right is ended once and never changed' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
