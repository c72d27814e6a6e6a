-- 引用起案: which document a draft was made from. Shown only to who may see the other one (AC-03).
CREATE TABLE citations (
    document_id uuid PRIMARY KEY,
    source_id uuid NOT NULL
);
CREATE INDEX citations_source ON citations (source_id, document_id DESC);
-- Goes with a draft that never circulated (LC-12).
GRANT SELECT, INSERT, DELETE ON citations TO ${app};

-- 例文: every version is a row of its own, the highest one counts.
CREATE TABLE body_templates (
    body_template_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    scope text NOT NULL CHECK (scope IN ('personal', 'unit', 'city')),
    -- Staff id, unit id, or '' for the city.
    owner text NOT NULL,
    name text NOT NULL,
    body text NOT NULL,
    retired boolean NOT NULL,
    saved_by text NOT NULL,
    saved_at timestamptz NOT NULL,
    PRIMARY KEY (body_template_id, version)
);
CREATE INDEX body_templates_owner ON body_templates (scope, owner);
GRANT SELECT, INSERT ON body_templates TO ${app};

-- What usually follows (次にすること), of the file plan: replaced as a whole when it is loaded (FL-06).
CREATE TABLE follow_ups (
    follow_up_id text PRIMARY KEY,
    class_code text NOT NULL REFERENCES classes,
    after_kind text NOT NULL CHECK (after_kind IN ('receipt', 'draft')),
    -- Words of the title of what was done; '' for any.
    after_words text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('receipt', 'draft')),
    title text NOT NULL,
    next_class_code text NOT NULL REFERENCES classes,
    body_template_id uuid
);
CREATE INDEX follow_ups_class ON follow_ups (class_code);
GRANT SELECT, INSERT, DELETE ON follow_ups TO ${app};
