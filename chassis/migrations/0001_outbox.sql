-- What leaves and enters a service: events and access records on their way out (outbox),
-- events already made ours (inbox), and the sources of access records (record_epochs).

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

GRANT SELECT, INSERT, DELETE ON outbox TO ${app};
GRANT UPDATE (awaits, attempts, next_attempt_at) ON outbox TO ${app};
GRANT SELECT, INSERT, DELETE ON inbox TO ${app};
GRANT SELECT, INSERT ON record_epochs TO ${app};
GRANT UPDATE (last_seq, chain, seen_at, state) ON record_epochs TO ${app};
