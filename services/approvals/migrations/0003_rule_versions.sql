-- 専決規程 as versions: a version is the whole 専決規程 of one executive body, in force from its first day until the
-- first day of the next one of that body. Drafts wait beside them; what ended stays for the cases that were made by it.

CREATE TABLE rule_versions (
    rule_version_id uuid PRIMARY KEY,
    body text NOT NULL,
    -- 「令和8年4月1日改正」
    title text NOT NULL,
    valid_from date NOT NULL,
    state text NOT NULL CHECK (state IN ('draft', 'activated', 'discarded')),
    imported_by text NOT NULL,
    imported_at timestamptz NOT NULL,
    -- Who activated or discarded it last, and when.
    settled_by text NOT NULL DEFAULT '',
    settled_at timestamptz,
    -- Number of its last event; 0 for those that were there before versions were announced.
    version bigint NOT NULL CHECK (version >= 0),
    CHECK ((state = 'draft') = (settled_at IS NULL))
);
CREATE UNIQUE INDEX rule_versions_first_day ON rule_versions (body, valid_from) WHERE state = 'activated';

-- Bounds are yen, inclusive (AP-02).
CREATE TABLE version_rules (
    rule_version_id uuid NOT NULL REFERENCES rule_versions,
    rule_id text NOT NULL,
    -- '' for the whole body.
    unit_id text NOT NULL,
    matter text NOT NULL,
    amount_min bigint,
    amount_max bigint,
    decision_class text NOT NULL CHECK (
        decision_class IN ('head', 'deputy_director', 'director', 'vice_mayor', 'body_head')
    ),
    concurrence_posts text [] NOT NULL,
    concurrence_after text NOT NULL,
    review_posts text [] NOT NULL,
    basis text NOT NULL,
    PRIMARY KEY (rule_version_id, rule_id),
    CHECK (amount_min <= amount_max)
);
CREATE INDEX version_rules_matter ON version_rules (matter, rule_version_id);

-- What was loaded with days on each rule: a version from every day on which something of a body began or ended.
INSERT INTO rule_versions (
    rule_version_id, body, title, valid_from, state, imported_by, imported_at, settled_by, settled_at, version
)
SELECT
    gen_random_uuid(), d.body, to_char(d.day, 'YYYY-MM-DD'), d.day, 'activated', 'service:approvals', now(),
    'service:approvals', now(), 0
FROM (
    SELECT body, valid_from AS day FROM decision_rules
    UNION
    SELECT body, valid_to FROM decision_rules WHERE valid_to < 'infinity'
) AS d;
INSERT INTO version_rules (
    rule_version_id, rule_id, unit_id, matter, amount_min, amount_max, decision_class, concurrence_posts,
    concurrence_after, review_posts, basis
)
SELECT
    v.rule_version_id, r.rule_id, r.unit_id, r.matter, r.amount_min, r.amount_max, r.decision_class,
    r.concurrence_posts, r.concurrence_after, r.review_posts, r.basis
FROM rule_versions AS v
INNER JOIN decision_rules AS r ON r.body = v.body AND r.valid_from <= v.valid_from AND v.valid_from < r.valid_to;
-- The view below takes its name and columns, so whoever reads it goes on.
-- squawk-ignore ban-drop-table
DROP TABLE decision_rules;

-- Each rule with the days on which it holds, read as before.
CREATE VIEW decision_rules AS
SELECT
    r.rule_id, v.body, r.unit_id, r.matter, r.amount_min, r.amount_max, r.decision_class, r.concurrence_posts,
    r.concurrence_after, r.review_posts, v.valid_from, v.valid_to, r.basis, r.rule_version_id
FROM (
    SELECT
        rule_version_id, body, valid_from,
        lead(valid_from, 1, 'infinity') OVER (PARTITION BY body ORDER BY valid_from) AS valid_to
    FROM rule_versions WHERE state = 'activated'
) AS v
INNER JOIN version_rules AS r ON r.rule_version_id = v.rule_version_id;

-- The version whose rule a plan was made by; NULL in plans of before.
ALTER TABLE route_plans ADD COLUMN rule_version_id uuid;

GRANT SELECT, INSERT ON rule_versions, version_rules TO ${app};
GRANT SELECT ON decision_rules TO ${app};
-- A version's rules never change; only whether it holds.
GRANT UPDATE (state, settled_by, settled_at, version) ON rule_versions TO ${app};
