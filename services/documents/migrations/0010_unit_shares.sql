-- A unit that is split (RT-10): a class of the file plan or one folder goes to another unit than the rest, which is
-- `units.heir`'s. As approvals announced it with the end of the unit.
CREATE TABLE unit_shares (
    unit_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('class', 'folder')),
    object_id text NOT NULL,
    heir text NOT NULL CHECK (heir <> ''),
    PRIMARY KEY (unit_id, kind, object_id)
);
GRANT SELECT, INSERT, DELETE ON unit_shares TO ${app};

-- Who takes over something of an ended unit: by its folder, else by its class, else who takes over all the rest.
CREATE FUNCTION heir_of(unit text, folder text, class text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT s.heir FROM unit_shares AS s WHERE s.unit_id = unit AND s.kind = 'folder' AND s.object_id = folder),
        (SELECT s.heir FROM unit_shares AS s WHERE s.unit_id = unit AND s.kind = 'class' AND s.object_id = class),
        (SELECT u.heir FROM units AS u WHERE u.unit_id = unit)
    )
$$;

-- As in 0003, and to any unit that the split names.
CREATE OR REPLACE FUNCTION keep_owners() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM units AS u
        INNER JOIN former_owners AS f ON f.unit_id = u.unit_id AND f.next_unit_id = NEW.unit_id
        WHERE u.unit_id = OLD.unit_id AND u.ended_on IS NOT NULL
            AND (u.heir = NEW.unit_id OR EXISTS (
                SELECT FROM unit_shares AS s WHERE s.unit_id = u.unit_id AND s.heir = NEW.unit_id
            ))
            AND f.kind = TG_ARGV[0] AND f.object_id = to_jsonb(OLD) ->> (TG_ARGV[0] || '_id')
    ) THEN
        RAISE EXCEPTION '% %: the owner changes by 所管替え only', TG_ARGV[0], to_jsonb(OLD) ->> (TG_ARGV[0] || '_id')
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
