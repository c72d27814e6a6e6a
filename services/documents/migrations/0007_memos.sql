-- 付箋 (AP-53): one per person and document while it circulates; the row goes with the case or with the person's view.
CREATE TABLE memos (
    document_id uuid NOT NULL,
    staff_id text NOT NULL,
    memo_id uuid NOT NULL,
    -- The principal of `viewers` through which the person is on the route.
    through text NOT NULL,
    -- Under the key of the document, bound to the person.
    sealed bytea NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    saved_at timestamptz NOT NULL,
    PRIMARY KEY (document_id, staff_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON memos TO ${app};
