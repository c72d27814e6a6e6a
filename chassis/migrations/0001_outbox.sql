-- What leaves and enters a service: events and access records on their way out (outbox),
-- events already made ours (inbox), the sources of access records (record_epochs), and the
-- answers to writes, for who asks again (requests).

CREATE TABLE outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE,
    subject text NOT NULL,
    payload bytea NOT NULL,
    trace_parent text NOT NULL DEFAULT '',
    -- Consumers that have not yet confirmed it. The row goes when this is empty.
    awaits text [] NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_due ON outbox (next_attempt_at, outbox_id);

CREATE TABLE inbox (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_received ON inbox (received_at);

-- One row per process start: (service, instance, epoch) is a source of access records.
CREATE TABLE record_epochs (
    epoch uuid PRIMARY KEY,
    instance text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    -- Number and chain value of the last committed record.
    last_seq bigint NOT NULL DEFAULT 0,
    chain text NOT NULL DEFAULT '',
    seen_at timestamptz NOT NULL DEFAULT now(),
    -- 'open', 'closed' (by the process itself), 'recovered' (by a sweeper after a crash)
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed', 'recovered'))
);
CREATE INDEX record_epochs_open ON record_epochs (seen_at) WHERE state = 'open';

-- The same request_id gives the same answer. Kept for two days.
CREATE TABLE requests (
    staff_id text NOT NULL,
    request_id text NOT NULL,
    method text NOT NULL,
    digest bytea NOT NULL,
    response bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (staff_id, request_id)
);
CREATE INDEX requests_created ON requests (created_at);

CREATE FUNCTION keep_answers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the answer to request % was given, it cannot change', OLD.request_id;
END
$$;
CREATE TRIGGER keep_answers BEFORE UPDATE ON requests
FOR EACH ROW WHEN (OLD.response IS NOT NULL) EXECUTE FUNCTION keep_answers();

GRANT SELECT, INSERT, DELETE ON outbox TO ${app};
GRANT UPDATE (awaits, attempts, next_attempt_at) ON outbox TO ${app};
GRANT SELECT, INSERT, DELETE ON inbox TO ${app};
GRANT SELECT, INSERT ON record_epochs TO ${app};
GRANT UPDATE (last_seq, chain, seen_at, state) ON record_epochs TO ${app};
GRANT SELECT, INSERT, DELETE ON requests TO ${app};
GRANT UPDATE (response) ON requests TO ${app};
