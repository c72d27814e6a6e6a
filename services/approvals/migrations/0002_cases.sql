-- Planned routes, cases, their steps and every act. Identifiers only: no titles, no contents.

CREATE TABLE route_plans (
    route_plan_id uuid PRIMARY KEY,
    made_by text NOT NULL,
    document_id uuid NOT NULL,
    unit_id text NOT NULL,
    drafter_post text NOT NULL,
    matter text NOT NULL,
    amount bigint,
    -- What the drafter wished ('' for none) and what it became.
    wished_class text NOT NULL,
    decision_class text NOT NULL,
    exceptional boolean NOT NULL,
    rule_id text NOT NULL,
    basis text NOT NULL,
    -- [{kind, post_id, group, mandatory, basis}]; posts above the decider in `struck` (AP-04).
    steps jsonb NOT NULL,
    struck text [] NOT NULL,
    planned_at timestamptz NOT NULL
);

CREATE TABLE cases (
    case_id uuid PRIMARY KEY,
    document_id uuid NOT NULL,
    state text NOT NULL CHECK (
        state IN ('circulating', 'sent_back', 'withdrawn', 'rejected', 'decided', 'refused')
    ),
    version_digest text NOT NULL,
    drafter text NOT NULL,
    drafter_post text NOT NULL,
    unit_id text NOT NULL,
    decision_class text NOT NULL,
    draft_number text NOT NULL,
    urgent boolean NOT NULL,
    exceptional boolean NOT NULL,
    route_plan_id uuid NOT NULL,
    rule_id text NOT NULL,
    basis text NOT NULL,
    opened_at timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    -- Number of the last event of the case: contiguous from 1.
    version bigint NOT NULL CHECK (version > 0),
    CHECK ((state = 'decided') = (decided_at IS NOT NULL))
);
CREATE INDEX cases_document ON cases (document_id, opened_at DESC);
-- A document circulates in one case at a time.
CREATE UNIQUE INDEX cases_circulating ON cases (document_id) WHERE state = 'circulating';

CREATE TABLE steps (
    step_id uuid PRIMARY KEY,
    case_id uuid NOT NULL REFERENCES cases,
    kind text NOT NULL CHECK (kind IN ('approve', 'decide', 'concur', 'review', 'inform')),
    state text NOT NULL CHECK (
        state IN (
            'waiting', 'active', 'approved', 'concurred', 'dissented', 'held', 'sent_back', 'rejected', 'pulled_up',
            'substituted', 'postview_due', 'postviewed', 'struck', 'informed', 'decided', 'cancelled'
        )
    ),
    step_group smallint NOT NULL CHECK (step_group > 0),
    place smallint NOT NULL,
    post_id text NOT NULL,
    mandatory boolean NOT NULL,
    basis text NOT NULL,
    activated_at timestamptz,
    acted_at timestamptz,
    -- Raised when an act is recalled (引戻し), so that the step may be acted on once more.
    round smallint NOT NULL DEFAULT 1,
    -- The holder as they were when they acted (AP-40), and who acted in their place (代決, 引上げ).
    holder jsonb,
    acted_for jsonb,
    -- The substitute's post that was asked for 代決 ('' for none): it sees the case in its inbox (AP-17).
    asked_post_id text NOT NULL DEFAULT '',
    -- Why it waits in the inbox of the post's holders, NULL when it does not; since when; 0 urgent, 1 otherwise.
    inbox_kind text CHECK (inbox_kind IN ('decision', 'concurrence', 'post_view', 'circulation')),
    waiting_since timestamptz,
    priority smallint NOT NULL,
    UNIQUE (case_id, place),
    CHECK ((inbox_kind IS NULL) = (waiting_since IS NULL))
);
-- AP-01: exactly one decider (the command never opens a case without one). It holds at the end of every
-- transaction: 上位者裁定 (AP-20) makes another step the decider.
ALTER TABLE steps ADD CONSTRAINT steps_decider EXCLUDE USING btree (case_id WITH =) WHERE (kind = 'decide')
DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX steps_inbox ON steps (post_id, priority, waiting_since, step_id) WHERE inbox_kind IS NOT NULL;
CREATE INDEX steps_asked ON steps (asked_post_id, priority, waiting_since, step_id)
WHERE inbox_kind IS NOT NULL AND asked_post_id <> '';

CREATE TABLE decisions (
    decision_id uuid PRIMARY KEY,
    -- The order of acts is the order of their commits, whatever the clocks of the replicas say.
    number bigint GENERATED ALWAYS AS IDENTITY,
    case_id uuid NOT NULL REFERENCES cases,
    -- NULL for acts on the case itself (withdraw, recall by the drafter).
    step_id uuid REFERENCES steps,
    action text NOT NULL CHECK (
        action IN (
            'approve', 'decide', 'decide_conditionally', 'concur', 'dissent', 'hold', 'send_back', 'reject', 'pull_up',
            'substitute', 'post_view', 'restart', 'confirm', 'recall', 'withdraw', 'replace', 'circulate',
            'ask_substitute'
        )
    ),
    round smallint NOT NULL,
    staff_id text NOT NULL,
    staff_name text NOT NULL,
    post_id text NOT NULL,
    post_title text NOT NULL,
    unit_id text NOT NULL,
    unit_name text NOT NULL,
    -- 'main', 'concurrent', 'acting' at that time (AP-40)
    appointment text NOT NULL,
    comment text NOT NULL,
    acted_at timestamptz NOT NULL,
    version_digest text NOT NULL,
    -- The access record that proves the version was served to this person.
    access_record text NOT NULL,
    -- The 不同意 that the decider says to have weighed (AP-20).
    acknowledged uuid [] NOT NULL DEFAULT '{}',
    -- The act on an earlier version that still counts after a minor 差替え (AP-30).
    carried_from uuid REFERENCES decisions
);
CREATE INDEX decisions_case ON decisions (case_id, number);
-- AP-32: a step is ended by one act; once more only after a recall raised the round.
CREATE UNIQUE INDEX decisions_once ON decisions (step_id, round)
WHERE action IN (
    'approve', 'decide', 'decide_conditionally', 'concur', 'dissent', 'send_back', 'reject', 'pull_up', 'substitute',
    'restart', 'confirm'
);
CREATE UNIQUE INDEX decisions_post_view ON decisions (step_id) WHERE action = 'post_view';

-- What was acted on stays as it was (AP-40): only a recall or a rewinding of a case that circulates, which
-- raise the round, or the 後閲 of another person's act may touch it again. A step above the decider comes in by
-- 上位者裁定 alone.
CREATE FUNCTION keep_acted_steps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.kind <> old.kind AND (old.kind, old.state, new.kind, new.state) NOT IN (
        ('approve', 'struck', 'decide', 'waiting'), ('decide', 'waiting', 'approve', 'waiting')
    ) THEN
        RAISE EXCEPTION 'step % is a %, it cannot become a %', old.step_id, old.kind, new.kind;
    END IF;
    IF new.basis <> old.basis AND new.kind = old.kind THEN
        RAISE EXCEPTION 'step %: why it is on the route cannot change', old.step_id;
    END IF;
    IF old.state IN ('approved', 'concurred', 'dissented', 'cancelled') AND new.round > old.round
        AND new.state IN ('active', 'waiting')
        AND EXISTS (SELECT FROM cases AS c WHERE c.case_id = old.case_id AND c.state = 'circulating') THEN
        RETURN new;
    END IF;
    IF old.state = 'struck' AND new.kind = 'decide' THEN
        RETURN new;
    END IF;
    IF old.state IN (
        'approved', 'concurred', 'dissented', 'decided', 'sent_back', 'rejected', 'postviewed', 'informed', 'struck',
        'cancelled'
    ) THEN
        RAISE EXCEPTION 'step % is %, it cannot change', old.step_id, old.state;
    END IF;
    IF new.round < old.round THEN
        RAISE EXCEPTION 'step %: the round cannot go back', old.step_id;
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER keep_acted_steps BEFORE UPDATE ON steps FOR EACH ROW EXECUTE FUNCTION keep_acted_steps();

-- A case that is over stays over; a 後閲 only counts its version up.
CREATE FUNCTION keep_closed_cases() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF old.state <> 'circulating' AND (new.state, new.decided_at, new.decided_by, new.reason)
        IS DISTINCT FROM (old.state, old.decided_at, old.decided_by, old.reason) THEN
        RAISE EXCEPTION 'case % is %, it cannot change', old.case_id, old.state;
    END IF;
    IF new.version <= old.version THEN
        RAISE EXCEPTION 'case %: the version must grow', old.case_id;
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER keep_closed_cases BEFORE UPDATE ON cases FOR EACH ROW EXECUTE FUNCTION keep_closed_cases();

GRANT SELECT, INSERT ON route_plans, cases, steps, decisions TO ${app};
GRANT UPDATE (state, decided_at, decided_by, reason, version) ON cases TO ${app};
GRANT UPDATE (
    kind, state, basis, activated_at, acted_at, round, holder, acted_for, asked_post_id, inbox_kind, waiting_since
) ON steps TO ${app};
