-- How far each outside receiver of the log has it: everything before this leaf. Moves only after the receiver has
-- answered 2xx, and never back.

CREATE TABLE siem_receivers (
    receiver text PRIMARY KEY CHECK (receiver <> ''),
    log_year integer NOT NULL,
    next_index bigint NOT NULL CHECK (next_index >= 0),
    begun_at timestamptz NOT NULL,
    moved_at timestamptz NOT NULL
);

CREATE FUNCTION refuse_going_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.log_year, NEW.next_index) < (OLD.log_year, OLD.next_index) THEN
        RAISE EXCEPTION 'a receiver never has less' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER receivers_only_advance BEFORE UPDATE ON siem_receivers
FOR EACH ROW EXECUTE FUNCTION refuse_going_back();

GRANT SELECT, INSERT ON siem_receivers TO ${app};
GRANT UPDATE (log_year, next_index, moved_at) ON siem_receivers TO ${app};
