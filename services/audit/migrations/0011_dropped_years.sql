-- Years whose retention has ended (SC-03) and whose entries the owner role dropped: when, agreed by which two people, and
-- how many leaves remain because they prove the completion of documents. The application only reads it.

CREATE TABLE dropped_years (
    log_year integer PRIMARY KEY REFERENCES logs (log_year),
    dropped_at timestamptz NOT NULL,
    agreed_by text [] NOT NULL CHECK (cardinality(agreed_by) = 2 AND agreed_by[1] <> agreed_by[2]),
    remaining bigint NOT NULL CHECK (remaining >= 0)
);
CREATE TRIGGER dropped_years_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON dropped_years
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT ON dropped_years TO ${app};
