-- Witnesses, both ways. What was cosigned is never changed or removed, by anyone.

-- Our checkpoints as they were submitted to our witnesses.
CREATE TABLE cosigned_checkpoints (
    log_year integer NOT NULL REFERENCES logs (log_year),
    size bigint NOT NULL CHECK (size >= 0),
    note bytea NOT NULL,
    PRIMARY KEY (log_year, size)
);

-- Who cosigned them: one signature line per witness.
CREATE TABLE cosignatures (
    log_year integer NOT NULL,
    size bigint NOT NULL,
    -- Verifier key of the witness: names alone are not unique.
    witness text NOT NULL,
    line bytea NOT NULL,
    cosigned_at timestamptz NOT NULL,
    PRIMARY KEY (log_year, size, witness),
    FOREIGN KEY (log_year, size) REFERENCES cosigned_checkpoints (log_year, size)
);
CREATE INDEX cosignatures_by_witness ON cosignatures (witness, log_year, size);

-- Those that met the policy; the largest is what the world sees.
CREATE TABLE published_checkpoints (
    log_year integer NOT NULL,
    size bigint NOT NULL,
    published_at timestamptz NOT NULL,
    PRIMARY KEY (log_year, size),
    FOREIGN KEY (log_year, size) REFERENCES cosigned_checkpoints (log_year, size)
);

-- How each witness fares, for people. No evidence: it may be lost.
CREATE TABLE witness_reports (
    witness text PRIMARY KEY,
    log_year integer NOT NULL,
    size bigint NOT NULL,
    answered_at timestamptz,
    problem text NOT NULL
);

-- Other municipalities' logs: the latest checkpoint of each that we cosigned. Locked FOR UPDATE by who cosigns.
CREATE TABLE witnessed_logs (
    origin text PRIMARY KEY,
    origin_hash text NOT NULL UNIQUE CHECK (origin_hash ~ '^[0-9a-f]{64}$'),
    -- Nothing was cosigned yet while the note is empty.
    size bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
    root bytea NOT NULL DEFAULT '',
    note bytea NOT NULL DEFAULT ''
);

-- Everything that we cosigned, in the order of sizes.
CREATE TABLE witnessed_checkpoints (
    origin text NOT NULL REFERENCES witnessed_logs (origin),
    size bigint NOT NULL CHECK (size >= 0),
    root bytea NOT NULL CHECK (octet_length(root) = 32),
    note bytea NOT NULL,
    cosigned_at timestamptz NOT NULL,
    PRIMARY KEY (origin, size)
);

CREATE TRIGGER cosigned_checkpoints_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON cosigned_checkpoints
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER cosignatures_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON cosignatures
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER published_checkpoints_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON published_checkpoints
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER witnessed_checkpoints_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON witnessed_checkpoints
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER witnessed_logs_are_kept BEFORE DELETE OR TRUNCATE ON witnessed_logs
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A witness that went back would cosign a fork.
CREATE FUNCTION refuse_rollback() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.origin <> OLD.origin OR NEW.origin_hash <> OLD.origin_hash OR NEW.size < OLD.size
        OR (OLD.note <> '' AND (NEW.note = '' OR (NEW.size = OLD.size AND NEW.root <> OLD.root))) THEN
        RAISE EXCEPTION 'a witnessed log only grows' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER witnessed_logs_only_grow BEFORE UPDATE ON witnessed_logs
FOR EACH ROW EXECUTE FUNCTION refuse_rollback();

GRANT SELECT, INSERT ON cosigned_checkpoints, cosignatures, published_checkpoints, witnessed_checkpoints TO ${app};
GRANT SELECT, INSERT ON witness_reports, witnessed_logs TO ${app};
GRANT UPDATE (log_year, size, answered_at, problem) ON witness_reports TO ${app};
GRANT UPDATE (size, root, note) ON witnessed_logs TO ${app};
