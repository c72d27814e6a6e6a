-- Reviews of the log (SC-07): rules with their thresholds, reviews, findings, and what is written about them.
-- All of it is inserted and read, nothing else: no grant for more, and a trigger that refuses the owner role as well.

-- Thresholds by version. Version 0 is the code's own; a review keeps the version it was made by.
CREATE TABLE review_rules (
    version bigint PRIMARY KEY CHECK (version >= 1),
    -- The first month examined by it.
    effective_from date NOT NULL CHECK (extract(DAY FROM effective_from) = 1),
    thresholds jsonb NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL
);

CREATE TABLE reviews (
    review_id uuid PRIMARY KEY,
    -- "YYYY-MM", and which review of that month it is.
    month text NOT NULL CHECK (month ~ '^[0-9]{4}-[0-9]{2}$'),
    number integer NOT NULL CHECK (number >= 1),
    opened_at timestamptz NOT NULL,
    opened_by text NOT NULL,
    rules_version bigint NOT NULL,
    thresholds jsonb NOT NULL,
    -- How far each year's log was examined: [{log_year, origin, size, root, checkpoint}].
    coverage jsonb NOT NULL,
    -- {actions: [[action, outcome, count]], days: [[day, accesses, denied, closed]]}
    counts jsonb NOT NULL,
    CONSTRAINT reviews_once UNIQUE (month, number)
);

CREATE TABLE review_findings (
    review_id uuid NOT NULL REFERENCES reviews (review_id),
    number integer NOT NULL CHECK (number >= 1),
    rule text NOT NULL,
    subject_id text NOT NULL,
    unit_id text NOT NULL,
    day date,
    document_id text NOT NULL,
    count bigint NOT NULL,
    explained_by text NOT NULL,
    purposes jsonb NOT NULL,
    detail jsonb NOT NULL,
    -- The leaves behind it, first ones: year and index, pairwise.
    log_years integer [] NOT NULL,
    leaf_indexes bigint [] NOT NULL,
    PRIMARY KEY (review_id, number),
    CHECK (cardinality(log_years) = cardinality(leaf_indexes))
);

-- What was done about a review, numbered without a hole: its version, and the version of its leaf in the log.
CREATE TABLE review_notes (
    review_id uuid NOT NULL REFERENCES reviews (review_id),
    version bigint NOT NULL CHECK (version >= 1),
    action text NOT NULL,
    noted_at timestamptz NOT NULL,
    staff_id text NOT NULL,
    -- Of the finding it is about; 0 for the review as a whole.
    number integer NOT NULL,
    assignee_id text NOT NULL,
    state text NOT NULL CHECK (state IN ('', 'open', 'explained', 'incident')),
    text text NOT NULL,
    PRIMARY KEY (review_id, version)
);
CREATE INDEX review_notes_by_assignee ON review_notes (assignee_id, review_id) WHERE assignee_id <> '';

CREATE TRIGGER review_rules_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON review_rules
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER reviews_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON reviews
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER review_findings_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON review_findings
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER review_notes_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON review_notes
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- After the sign-off only remarks on the whole are added.
CREATE FUNCTION refuse_after_sign_off() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM review_notes WHERE review_id = NEW.review_id AND action = 'review.signed') THEN
        RAISE EXCEPTION 'review % is signed', NEW.review_id USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER findings_before_sign_off BEFORE INSERT ON review_findings
FOR EACH ROW EXECUTE FUNCTION refuse_after_sign_off();
CREATE TRIGGER notes_before_sign_off BEFORE INSERT ON review_notes
FOR EACH ROW WHEN (NEW.action <> 'review.remarked') EXECUTE FUNCTION refuse_after_sign_off();

GRANT SELECT, INSERT ON review_rules, reviews, review_findings, review_notes TO ${app};
