-- Templates of routes (AP-54): every version is a row of its own, the highest one counts.
CREATE TABLE route_templates (
    route_template_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    scope text NOT NULL CHECK (scope IN ('personal', 'unit', 'city')),
    -- Staff id, unit id, or '' for the city.
    owner text NOT NULL,
    name text NOT NULL,
    -- [{kind, post_id, after}]
    steps jsonb NOT NULL,
    retired boolean NOT NULL,
    saved_by text NOT NULL,
    saved_at timestamptz NOT NULL,
    PRIMARY KEY (route_template_id, version)
);
CREATE INDEX route_templates_owner ON route_templates (scope, owner);
GRANT SELECT, INSERT ON route_templates TO ${app};

-- The version of the template that a plan was made with.
ALTER TABLE route_plans ADD COLUMN route_template_id uuid;
ALTER TABLE route_plans ADD COLUMN route_template_version bigint;
