-- The organisation over time (units, posts, staff, appointments, roles, substitutes, absences) and the
-- decision rules. Every row holds for [valid_from, valid_to); an open end is 'infinity'.
-- The exclusion constraints need btree_gist in the database.

CREATE TABLE units (
    unit_id text NOT NULL,
    -- '' for the top of an executive body.
    parent_id text NOT NULL DEFAULT '',
    body text NOT NULL,
    name text NOT NULL,
    kana text NOT NULL,
    symbol text NOT NULL,
    sort_order integer NOT NULL,
    valid_from date NOT NULL,
    valid_to date NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (unit_id, valid_from),
    CHECK (valid_from < valid_to),
    EXCLUDE USING gist (unit_id WITH =, daterange(valid_from, valid_to) WITH &&)
);

CREATE TABLE posts (
    post_id text NOT NULL,
    unit_id text NOT NULL,
    title text NOT NULL,
    rank text NOT NULL CHECK (
        rank IN (
            'member', 'chief', 'deputy_head', 'head', 'deputy_director', 'director', 'vice_mayor', 'body_head'
        )
    ),
    -- Units a vice mayor answers for, theirs and all below.
    covers text [] NOT NULL DEFAULT '{}',
    valid_from date NOT NULL,
    valid_to date NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (post_id, valid_from),
    CHECK (valid_from < valid_to),
    EXCLUDE USING gist (post_id WITH =, daterange(valid_from, valid_to) WITH &&)
);
CREATE INDEX posts_unit ON posts (unit_id);

CREATE TABLE staff (
    staff_id text NOT NULL,
    name text NOT NULL,
    kana text NOT NULL,
    -- The OIDC subject.
    login text NOT NULL,
    email text NOT NULL,
    valid_from date NOT NULL,
    valid_to date NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (staff_id, valid_from),
    CHECK (valid_from < valid_to),
    EXCLUDE USING gist (staff_id WITH =, daterange(valid_from, valid_to) WITH &&),
    EXCLUDE USING gist (login WITH =, daterange(valid_from, valid_to) WITH &&)
);

CREATE TABLE appointments (
    staff_id text NOT NULL,
    post_id text NOT NULL,
    -- 'main', 'concurrent' 兼務, 'acting' 事務取扱・職務代理 (AP-19)
    kind text NOT NULL CHECK (kind IN ('main', 'concurrent', 'acting')),
    valid_from date NOT NULL,
    valid_to date NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (staff_id, post_id, valid_from),
    CHECK (valid_from < valid_to),
    EXCLUDE USING gist (staff_id WITH =, post_id WITH =, daterange(valid_from, valid_to) WITH &&),
    -- One main post at a time.
    EXCLUDE USING gist (staff_id WITH =, daterange(valid_from, valid_to) WITH &&) WHERE (kind = 'main')
);
CREATE INDEX appointments_post ON appointments (post_id);

CREATE TABLE roles (
    staff_id text NOT NULL,
    role text NOT NULL CHECK (role IN ('records_officer', 'records_manager', 'audit_officer', 'system_admin')),
    valid_from date NOT NULL,
    valid_to date NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (staff_id, role, valid_from),
    CHECK (valid_from < valid_to),
    EXCLUDE USING gist (staff_id WITH =, role WITH =, daterange(valid_from, valid_to) WITH &&)
);

-- Who may decide in place of an absent holder of `post_id`, in this order (AP-13).
CREATE TABLE substitutes (
    post_id text NOT NULL,
    place smallint NOT NULL CHECK (place > 0),
    substitute_post_id text NOT NULL CHECK (substitute_post_id <> post_id),
    valid_from date NOT NULL,
    valid_to date NOT NULL DEFAULT 'infinity',
    PRIMARY KEY (post_id, place, valid_from),
    CHECK (valid_from <= valid_to),
    EXCLUDE USING gist (post_id WITH =, place WITH =, daterange(valid_from, valid_to) WITH &&)
);

CREATE TABLE absences (
    absence_id uuid PRIMARY KEY,
    staff_id text NOT NULL,
    from_at timestamptz NOT NULL,
    -- Brought forward when the absence ends early; equal to from_at when it was called off.
    to_at timestamptz NOT NULL,
    reason_code text NOT NULL CHECK (reason_code IN ('business_trip', 'leave', 'sick', 'training', 'other')),
    registered_by text NOT NULL,
    registered_at timestamptz NOT NULL,
    CHECK (from_at <= to_at),
    EXCLUDE USING gist (staff_id WITH =, tstzrange(from_at, to_at) WITH &&)
);
CREATE INDEX absences_staff ON absences (staff_id, to_at);

-- 専決規程 as data (AP-02). Bounds are yen, inclusive.
CREATE TABLE decision_rules (
    rule_id text NOT NULL,
    body text NOT NULL,
    -- '' for the whole body.
    unit_id text NOT NULL DEFAULT '',
    matter text NOT NULL,
    amount_min bigint,
    amount_max bigint,
    decision_class text NOT NULL CHECK (
        decision_class IN ('head', 'deputy_director', 'director', 'vice_mayor', 'body_head')
    ),
    concurrence_posts text [] NOT NULL DEFAULT '{}',
    concurrence_after text NOT NULL DEFAULT '',
    review_posts text [] NOT NULL DEFAULT '{}',
    valid_from date NOT NULL,
    valid_to date NOT NULL DEFAULT 'infinity',
    basis text NOT NULL,
    PRIMARY KEY (rule_id, valid_from),
    CHECK (valid_from < valid_to),
    EXCLUDE USING gist (rule_id WITH =, daterange(valid_from, valid_to) WITH &&)
);
CREATE INDEX decision_rules_matter ON decision_rules (body, matter);

-- The counter of directory events: one row.
CREATE TABLE directory (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    version bigint NOT NULL
);
INSERT INTO directory (version) VALUES (0);

-- Nothing of the organisation is ever deleted, and what a row is about cannot be changed: only corrected
-- attributes and the end of its validity.
GRANT SELECT, INSERT ON units, posts, staff, appointments, roles, substitutes, absences, decision_rules TO ${app};
GRANT UPDATE (parent_id, body, name, kana, symbol, sort_order, valid_to) ON units TO ${app};
GRANT UPDATE (unit_id, title, rank, covers, valid_to) ON posts TO ${app};
GRANT UPDATE (name, kana, login, email, valid_to) ON staff TO ${app};
GRANT UPDATE (kind, valid_to) ON appointments TO ${app};
GRANT UPDATE (valid_to) ON roles TO ${app};
GRANT UPDATE (substitute_post_id, valid_to) ON substitutes TO ${app};
GRANT UPDATE (to_at, reason_code) ON absences TO ${app};
GRANT UPDATE (
    body, unit_id, matter, amount_min, amount_max, decision_class, concurrence_posts, concurrence_after, review_posts,
    valid_to, basis
) ON decision_rules TO ${app};
GRANT SELECT ON directory TO ${app};
GRANT UPDATE (version) ON directory TO ${app};
