-- Planned changes of the organisation, what follows what, and open steps that changed their post.

CREATE TABLE change_sets (
    change_set_id uuid PRIMARY KEY,
    title text NOT NULL,
    -- From 0:00 of this day on. The rows of the organisation are written then, and not before: until then nobody but
    -- those who plan sees them.
    effective_on date NOT NULL,
    state text NOT NULL CHECK (state IN ('draft', 'reviewed', 'applied', 'undone', 'refused')),
    -- [{kind, …}]: as planned, never edited.
    changes jsonb NOT NULL,
    author text NOT NULL,
    drafted_at timestamptz NOT NULL,
    reviewed_by text NOT NULL DEFAULT '',
    reviewed_at timestamptz,
    -- Who undid it, when it was undone, applied or refused, and the reason given.
    closed_by text NOT NULL DEFAULT '',
    closed_at timestamptz,
    reason text NOT NULL DEFAULT '',
    -- [{place, problem, about}]: why it could not be applied.
    findings jsonb NOT NULL DEFAULT '[]',
    version bigint NOT NULL CHECK (version > 0),
    CHECK (reviewed_by <> author),
    CHECK (state NOT IN ('reviewed', 'applied') OR reviewed_at IS NOT NULL),
    CHECK ((state IN ('draft', 'reviewed')) = (closed_at IS NULL))
);
CREATE INDEX change_sets_due ON change_sets (effective_on) WHERE state = 'reviewed';

-- AP-41: which post or unit took over from one that ended on that day.
CREATE TABLE successors (
    kind text NOT NULL CHECK (kind IN ('unit', 'post')),
    old_id text NOT NULL,
    new_id text NOT NULL CHECK (new_id <> old_id),
    effective_on date NOT NULL,
    change_set_id uuid NOT NULL REFERENCES change_sets,
    PRIMARY KEY (kind, old_id, effective_on)
);

-- Steps that are still to be acted on, by post: those of an ended post are found without reading the others.
CREATE INDEX steps_open ON steps (post_id, case_id)
WHERE state IN ('waiting', 'active', 'held', 'postview_due', 'pulled_up', 'substituted');

-- AP-41: every time an open step went from one post to another.
CREATE TABLE step_moves (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES cases,
    step_id uuid NOT NULL REFERENCES steps,
    from_post text NOT NULL,
    to_post text NOT NULL CHECK (to_post <> from_post),
    -- Why the records office moved it; '' when it followed the successor.
    reason text NOT NULL DEFAULT '',
    moved_by text NOT NULL,
    moved_at timestamptz NOT NULL
);
CREATE INDEX step_moves_case ON step_moves (case_id, number);

GRANT SELECT, INSERT ON change_sets, successors, step_moves TO ${app};
GRANT UPDATE (
    state, reviewed_by, reviewed_at, closed_by, closed_at, reason, findings, version
) ON change_sets TO ${app};
-- keep_acted_steps refuses it for a step that was acted on (AP-40), keep_moves without a move on record.
GRANT UPDATE (post_id) ON steps TO ${app};

-- No step goes to another post silently: the move that says who, whence and why is there at the commit.
CREATE FUNCTION keep_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM step_moves AS m
        WHERE m.case_id = new.case_id AND m.step_id = new.step_id
            AND m.from_post = old.post_id AND m.to_post = new.post_id
    ) THEN
        RAISE EXCEPTION 'step % goes from % to % without a move on record', new.step_id, old.post_id, new.post_id;
    END IF;
    RETURN new;
END $$;
CREATE CONSTRAINT TRIGGER keep_moves AFTER UPDATE ON steps DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (old.post_id <> new.post_id) EXECUTE FUNCTION keep_moves();

-- What was applied, undone or refused stays so.
CREATE FUNCTION keep_closed_change_sets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF old.closed_at IS NOT NULL THEN
        RAISE EXCEPTION 'change set % is %, it cannot change', old.change_set_id, old.state;
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER keep_closed_change_sets BEFORE UPDATE ON change_sets
FOR EACH ROW EXECUTE FUNCTION keep_closed_change_sets();
