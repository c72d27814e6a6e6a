-- AC-09: accounts of vendors (保守業者), which open only for a confirmed span of time, and never are staff.

CREATE TABLE vendors (
    vendor_id text PRIMARY KEY CHECK (vendor_id LIKE 'vendor:_%'),
    -- The OIDC subject.
    login text NOT NULL UNIQUE,
    full_name text NOT NULL,
    company text NOT NULL,
    registered_by text NOT NULL CHECK (registered_by NOT LIKE 'vendor:%'),
    registered_at timestamptz NOT NULL
);

-- 保守時間枠 [opens_at, closes_at): two persons let it open, no two of an account meet. Ended early, it is as short as it was;
-- called off before it began, it is empty.
CREATE TABLE maintenance_windows (
    window_id uuid PRIMARY KEY,
    vendor_id text NOT NULL REFERENCES vendors,
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    ticket text NOT NULL CHECK (ticket <> ''),
    requested_by text NOT NULL CHECK (requested_by NOT LIKE 'vendor:%'),
    requested_at timestamptz NOT NULL,
    confirmed_by text NOT NULL DEFAULT '' CHECK (confirmed_by NOT LIKE 'vendor:%'),
    confirmed_at timestamptz,
    -- Who ended it and when; this service when its time was up.
    ended_by text NOT NULL DEFAULT '',
    ended_at timestamptz,
    version bigint NOT NULL CHECK (version > 0),
    CHECK (opens_at <= closes_at),
    CHECK (confirmed_by <> requested_by),
    CHECK ((confirmed_by = '') = (confirmed_at IS NULL)),
    CHECK ((ended_by = '') = (ended_at IS NULL)),
    EXCLUDE USING gist (vendor_id WITH =, tstzrange(opens_at, closes_at) WITH &&)
);
CREATE INDEX maintenance_windows_unended ON maintenance_windows (closes_at) WHERE ended_at IS NULL;

-- A vendor is never staff: by id, so no post, role or absence names one; and by login, whoever writes.
ALTER TABLE staff ADD CONSTRAINT staff_no_vendor CHECK (staff_id NOT LIKE 'vendor:%') NOT VALID;
ALTER TABLE appointments ADD CONSTRAINT appointments_no_vendor CHECK (staff_id NOT LIKE 'vendor:%') NOT VALID;
ALTER TABLE roles ADD CONSTRAINT roles_no_vendor CHECK (staff_id NOT LIKE 'vendor:%') NOT VALID;

CREATE FUNCTION refuse_vendor_login() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Whoever registers a vendor holds it alone, so that each sees what the other has written.
    PERFORM pg_advisory_xact_lock_shared(39433);
    IF EXISTS (SELECT FROM vendors WHERE login = NEW.login) THEN
        RAISE exclusion_violation USING TABLE = 'vendors', DETAIL = 'the login of ' || NEW.staff_id || ' is a vendor''s';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refuse_vendor_login BEFORE INSERT OR UPDATE OF login ON staff
FOR EACH ROW EXECUTE FUNCTION refuse_vendor_login();

GRANT SELECT, INSERT ON vendors, maintenance_windows TO ${app};
GRANT UPDATE (closes_at, confirmed_by, confirmed_at, ended_by, ended_at, version) ON maintenance_windows TO ${app};
