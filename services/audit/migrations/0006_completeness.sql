-- What is missing and what was counted: alarms, and both sides of the daily reconciliation.

-- Each alarm begins once and ends once; both are leaves of the log too. A row is never removed.
CREATE TABLE alarms (
    alarm_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    -- Which source, object, service or kind of answer.
    subject text NOT NULL,
    -- The missing numbers, both included; 0 where numbers do not apply.
    first_number bigint NOT NULL,
    last_number bigint NOT NULL CHECK (last_number >= first_number),
    since timestamptz NOT NULL,
    until timestamptz CHECK (until >= since)
);
CREATE UNIQUE INDEX alarms_standing ON alarms (kind, subject, first_number, last_number) WHERE until IS NULL;
CREATE INDEX alarms_by_time ON alarms (since);

CREATE FUNCTION refuse_reopening() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'alarm % has ended', OLD.alarm_id USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER alarms_end_once BEFORE UPDATE ON alarms
FOR EACH ROW WHEN (OLD.until IS NOT NULL) EXECUTE FUNCTION refuse_reopening();
CREATE TRIGGER alarms_are_kept BEFORE DELETE OR TRUNCATE ON alarms
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Up to where in the log each side has been counted.
CREATE TABLE reconciled (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    records_year integer NOT NULL DEFAULT 0,
    records_index bigint NOT NULL DEFAULT -1,
    reports_year integer NOT NULL DEFAULT 0,
    reports_index bigint NOT NULL DEFAULT -1,
    -- When this was last done, and whether all agreed. NULL before the first time.
    done_at timestamptz,
    agreed boolean
);
INSERT INTO reconciled DEFAULT VALUES;

-- Per process of a service (epoch) and kind of answer (RPC): what the log holds as granted, what the gateway got as
-- answers, and what the blob client handed out of the object store.
CREATE TABLE counts (
    -- "none" for answers that named no record.
    epoch text NOT NULL,
    kind text NOT NULL,
    recorded bigint NOT NULL DEFAULT 0 CHECK (recorded >= 0),
    answered bigint NOT NULL DEFAULT 0 CHECK (answered >= 0),
    opened bigint NOT NULL DEFAULT 0 CHECK (opened >= 0),
    PRIMARY KEY (epoch, kind)
);

-- The last number of each epoch that the service's own database says it has committed.
CREATE TABLE commitments (
    epoch uuid PRIMARY KEY,
    service text NOT NULL,
    last_seq bigint NOT NULL CHECK (last_seq > 0)
);

GRANT SELECT, INSERT ON alarms, counts, commitments TO ${app};
GRANT UPDATE (until) ON alarms TO ${app};
GRANT SELECT ON reconciled TO ${app};
GRANT UPDATE (records_year, records_index, reports_year, reports_index, done_at, agreed) ON reconciled TO ${app};
GRANT UPDATE (recorded, answered, opened) ON counts TO ${app};
GRANT UPDATE (last_seq) ON commitments TO ${app};
