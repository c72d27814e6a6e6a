-- The log of the municipality: one per fiscal year, append-only, and what is derived from it.
-- Rows of entries, tiles and checkpoints are never changed or removed by anyone: no grant, and a trigger besides.

-- One row per fiscal year: the tree as far as it is integrated, and the last checkpoint that was signed over it.
CREATE TABLE logs (
    log_year integer PRIMARY KEY CHECK (log_year BETWEEN 2000 AND 9999),
    -- Name of the log and of its key: <prefix>/<fiscal year>.
    origin text NOT NULL UNIQUE,
    verifier_key text NOT NULL,
    opened_at timestamptz NOT NULL,
    -- Leaves integrated, their root, and per tile level the hashes of the last, partial tile.
    size bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
    root bytea NOT NULL CHECK (octet_length(root) = 32),
    edge bytea [] NOT NULL DEFAULT '{}',
    -- The last signed checkpoint (a signed note) and its size; never smaller again.
    checkpoint bytea NOT NULL DEFAULT '',
    checkpoint_size bigint NOT NULL DEFAULT 0,
    -- Leaves whose full tiles and bundles lie in the object store; what is partial is not counted.
    kept_size bigint NOT NULL DEFAULT 0,
    -- A closed log has its final checkpoint and takes no more leaves. `final_kept`: that checkpoint and what is partial
    -- under it lie in the object store too.
    closed boolean NOT NULL DEFAULT false,
    final_kept boolean NOT NULL DEFAULT false,
    CONSTRAINT logs_within_size CHECK (checkpoint_size BETWEEN 0 AND size AND kept_size BETWEEN 0 AND size)
);

-- The one place where numbers of leaves are given: locked FOR UPDATE by whoever appends, in whichever replica.
CREATE TABLE coordinator (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    log_year integer NOT NULL,
    next_index bigint NOT NULL CHECK (next_index >= 0),
    -- The life of this database in which the log was last compared with the head in the object store (this_life).
    compared_in text NOT NULL DEFAULT ''
);
INSERT INTO coordinator (log_year, next_index) VALUES (0, 0);

-- Another start of the server (a backup put back, a standby promoted), another database or another table (a dump put back)
-- is another life: compare anew, before any number is given that may have been given already.
CREATE FUNCTION this_life() RETURNS text STABLE LANGUAGE sql AS $$
    SELECT concat_ws(
        '/',
        extract(EPOCH FROM pg_postmaster_start_time()),
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        'coordinator'::regclass::oid
    )
$$;

-- The leaves, a partition for each year's log: a year leaves as one table when its retention ends (SC-03), and what is
-- asked of one log never reads another. Everything but leaf and leaf_hash only repeats what the leaf says, to find it. No
-- foreign key to logs: its row locks would make appending wait for integration, and the coordinator guards the year.
CREATE TABLE entries (
    log_year integer NOT NULL,
    leaf_index bigint NOT NULL CHECK (leaf_index >= 0),
    event_id uuid NOT NULL,
    leaf bytea NOT NULL CHECK (octet_length(leaf) BETWEEN 1 AND 65535),
    leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
    occurred_at timestamptz NOT NULL,
    -- Access records: the source's epoch and number. Events: NULL.
    epoch uuid,
    seq bigint,
    staff_id text NOT NULL,
    unit_id text NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL,
    object_type text NOT NULL,
    object_id text NOT NULL,
    -- Events: contiguous per object. Access records: NULL.
    object_version bigint,
    -- The document the leaf is about, whatever its object; NULL without one.
    document_id text,
    PRIMARY KEY (log_year, leaf_index),
    -- A constraint reaches no further than its year. That an event or a number of an earlier year does not come again is
    -- looked up by whoever appends, while it holds the coordinator, so that nobody can be faster.
    CONSTRAINT entries_event_once UNIQUE (event_id, log_year),
    -- An epoch is a UUIDv7 of one process, so it stands for (service, instance, epoch).
    CONSTRAINT entries_number_once UNIQUE (epoch, seq, log_year),
    CHECK ((epoch IS NULL) = (seq IS NULL))
) PARTITION BY LIST (log_year);

-- Each question walks one of these backwards from where its page begins; log_year and leaf_index make the order whole.
CREATE INDEX entries_by_time ON entries (occurred_at, log_year, leaf_index);
CREATE INDEX entries_by_actor ON entries (staff_id, occurred_at, log_year, leaf_index);
CREATE INDEX entries_by_unit ON entries (unit_id, occurred_at, log_year, leaf_index);
-- Views are most of all entries, and a unit's are found by the index before; what else a unit did is rare among them.
CREATE INDEX entries_by_unit_action ON entries (unit_id, action, occurred_at, log_year, leaf_index)
WHERE action <> 'document.viewed';
CREATE INDEX entries_by_action ON entries (action, occurred_at, log_year, leaf_index);
CREATE INDEX entries_by_document ON entries (document_id, occurred_at, log_year, leaf_index)
WHERE document_id IS NOT NULL;
CREATE INDEX entries_by_object_version ON entries (object_type, object_id, object_version)
WHERE object_version IS NOT NULL;

-- Full hash tiles of 256 hashes. Partial ones are beginnings of these or of logs.edge.
CREATE TABLE tiles (
    log_year integer NOT NULL REFERENCES logs (log_year),
    level smallint NOT NULL CHECK (level BETWEEN 0 AND 63),
    tile_index bigint NOT NULL CHECK (tile_index >= 0),
    hashes bytea NOT NULL CHECK (octet_length(hashes) = 8192),
    PRIMARY KEY (log_year, level, tile_index)
);

-- Checkpoints kept for good: the first of each hour. Two of the same size cannot exist.
CREATE TABLE checkpoints (
    log_year integer NOT NULL REFERENCES logs (log_year),
    size bigint NOT NULL,
    note bytea NOT NULL,
    signed_at timestamptz NOT NULL,
    PRIMARY KEY (log_year, size)
);
CREATE INDEX checkpoints_by_time ON checkpoints (log_year, signed_at);

-- What arrived of each source and epoch. Numbers are missing where seen <> last_seq.
CREATE TABLE sources (
    epoch uuid PRIMARY KEY,
    service text NOT NULL,
    instance text NOT NULL,
    last_seq bigint NOT NULL,
    seen bigint NOT NULL,
    opened_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'closed', 'recovered')),
    -- A source without a database writes to us alone; then we hold its chain and close its epoch after a crash.
    direct boolean NOT NULL,
    chain text NOT NULL
);
CREATE INDEX sources_by_time ON sources (last_seen_at);
CREATE INDEX sources_direct_open ON sources (last_seen_at) WHERE direct AND state = 'open';

-- What arrived of each object's events. Versions are missing where seen <> last_version.
CREATE TABLE aggregates (
    service text NOT NULL,
    object_type text NOT NULL,
    object_id text NOT NULL,
    last_version bigint NOT NULL,
    seen bigint NOT NULL,
    PRIMARY KEY (service, object_type, object_id)
);
CREATE INDEX aggregates_with_gaps ON aggregates (object_type, object_id) WHERE seen <> last_version;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is never allowed', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER entries_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- A trigger of the whole does not see what is done to a part, so each year has its own.
CREATE FUNCTION open_entries() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = "${schema}", pg_temp AS $$
DECLARE
    part text := 'entries_' || NEW.log_year;
BEGIN
    -- Made beside and then attached: readers of the other years do not wait for it.
    EXECUTE format('CREATE TABLE %I (LIKE entries INCLUDING ALL)', part);
    EXECUTE format('CREATE TRIGGER entries_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON %I'
        ' FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', part);
    EXECUTE format('ALTER TABLE entries ATTACH PARTITION %I FOR VALUES IN (%s)', part, NEW.log_year);
    RETURN NULL;
END $$;
CREATE TRIGGER logs_have_entries AFTER INSERT ON logs FOR EACH ROW EXECUTE FUNCTION open_entries();
CREATE TRIGGER tiles_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON tiles
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER checkpoints_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER logs_are_kept BEFORE DELETE OR TRUNCATE ON logs
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A tree only grows, a checkpoint only follows it, and a number of a leaf is never given twice.
CREATE FUNCTION refuse_shrinking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'logs' THEN
        IF NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
            OR NEW.checkpoint_size < OLD.checkpoint_size OR NEW.kept_size < OLD.kept_size
            OR (OLD.closed AND (NEW.size <> OLD.size OR NOT NEW.closed)) OR (OLD.final_kept AND NOT NEW.final_kept)
            OR (NEW.checkpoint_size = OLD.checkpoint_size AND NEW.checkpoint <> OLD.checkpoint
                AND OLD.checkpoint <> '') THEN
            RAISE EXCEPTION 'a log only grows' USING ERRCODE = 'insufficient_privilege';
        END IF;
    ELSIF NEW.log_year < OLD.log_year OR (NEW.log_year = OLD.log_year AND NEW.next_index < OLD.next_index) THEN
        RAISE EXCEPTION 'numbers of leaves only grow' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER logs_only_grow BEFORE UPDATE ON logs FOR EACH ROW EXECUTE FUNCTION refuse_shrinking();
CREATE TRIGGER numbers_only_grow BEFORE UPDATE ON coordinator FOR EACH ROW EXECUTE FUNCTION refuse_shrinking();

GRANT SELECT, INSERT ON logs, entries, tiles, checkpoints TO ${app};
GRANT UPDATE (size, root, edge, checkpoint, checkpoint_size, kept_size, closed, final_kept) ON logs TO ${app};
GRANT SELECT ON coordinator TO ${app};
GRANT UPDATE (log_year, next_index, compared_in) ON coordinator TO ${app};
GRANT SELECT, INSERT ON sources, aggregates TO ${app};
GRANT UPDATE (last_seq, seen, opened_at, last_seen_at, state, chain) ON sources TO ${app};
GRANT UPDATE (last_version, seen) ON aggregates TO ${app};
