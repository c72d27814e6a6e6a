-- Notices (通知): what a person is told of a case. Identifiers only: there is no title here that could leak (AC-14).
-- No record of anything: an old one is forgotten.
CREATE TABLE notices (
    notice_id uuid PRIMARY KEY DEFAULT uuidv7(),
    staff_id text NOT NULL,
    kind text NOT NULL CHECK (
        kind IN (
            'rejected', 'withdrawn', 'sent_back', 'decided', 'substitute', 'urgent_turn', 'turn', 'post_view',
            'circulation', 'reminder', 'escalation'
        )
    ),
    case_id uuid NOT NULL REFERENCES cases,
    -- The post that was told; '' for a person who is told as such, as the drafter is.
    post_id text NOT NULL,
    created_at timestamptz NOT NULL,
    read_at timestamptz,
    -- Whether it goes to open pages, and when an e-mail is next tried; NULL for none, or none any more.
    live boolean NOT NULL,
    mail_at timestamptz,
    mail_attempts smallint NOT NULL DEFAULT 0,
    mailed_at timestamptz,
    -- The transaction that wrote it. Below the oldest one that still runs nothing appears any more: who follows in this
    -- order misses none.
    written_in bigint NOT NULL DEFAULT (pg_current_xact_id()::text)::bigint,
    CHECK (mailed_at IS NULL OR mail_at IS NULL)
);
CREATE INDEX notices_of_staff ON notices (staff_id, created_at DESC, notice_id DESC);
CREATE INDEX notices_unread ON notices (staff_id, case_id) WHERE read_at IS NULL;
CREATE INDEX notices_written ON notices (written_in, notice_id);
CREATE INDEX notices_to_mail ON notices (mail_at) WHERE mail_at IS NOT NULL;
CREATE INDEX notices_created ON notices (created_at);

-- Which groups of notices a person wants on open pages and by e-mail; who has not chosen has no row.
CREATE TABLE notice_choices (
    staff_id text PRIMARY KEY,
    live text [] NOT NULL CHECK (live <@ ARRAY['urgent', 'turn', 'result', 'deadline']),
    mail text [] NOT NULL CHECK (mail <@ ARRAY['urgent', 'turn', 'result', 'deadline']),
    version bigint NOT NULL CHECK (version > 0)
);

-- Who else is told of a unit's cases that wait far beyond their term. Rows are only added, the highest version counts;
-- without posts the list of the unit above holds.
CREATE TABLE escalation_lists (
    unit_id text NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    post_ids text [] NOT NULL,
    saved_by text NOT NULL,
    saved_at timestamptz NOT NULL,
    PRIMARY KEY (unit_id, version)
);

-- Opening days whose reminders were made, each once by one replica.
CREATE TABLE reminder_days (
    day date PRIMARY KEY,
    made_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, DELETE ON notices TO ${app};
GRANT UPDATE (read_at, mail_at, mail_attempts, mailed_at) ON notices TO ${app};
GRANT SELECT, INSERT ON notice_choices, escalation_lists, reminder_days TO ${app};
GRANT UPDATE (live, mail, version) ON notice_choices TO ${app};
