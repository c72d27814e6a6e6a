-- Time-stamps (RFC 3161) over archived checkpoints. Never changed or removed, by anyone.

CREATE TABLE timestamps (
    log_year integer NOT NULL,
    size bigint NOT NULL,
    -- The authority's whole answer, DER.
    token bytea NOT NULL,
    -- The time that the authority states.
    stamped_at timestamptz NOT NULL,
    PRIMARY KEY (log_year, size),
    FOREIGN KEY (log_year, size) REFERENCES checkpoints (log_year, size)
);
CREATE TRIGGER timestamps_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON timestamps
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT ON timestamps TO ${app};
