-- A split unit's cases (RT-10).

-- Whose a document is since its unit ended, as documents announced it.
CREATE TABLE document_owners (
    document_id uuid PRIMARY KEY,
    unit_id text NOT NULL,
    -- Of the document: what is older changes nothing.
    version bigint NOT NULL
);
GRANT SELECT, INSERT ON document_owners TO ${app};
GRANT UPDATE (unit_id, version) ON document_owners TO ${app};
CREATE INDEX document_owners_unit ON document_owners (unit_id);

-- Whether some of the unit's things go to another unit than `new_id`: then a case has no new unit before documents says so.
ALTER TABLE successors ADD COLUMN split boolean NOT NULL DEFAULT false;

CREATE OR REPLACE FUNCTION unit_on(unit text, day date) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    heir text;
    parted boolean;
BEGIN
    FOR step IN 1..16 LOOP
        IF EXISTS (SELECT FROM units AS u WHERE u.unit_id = unit AND u.valid_from <= day AND day < u.valid_to) THEN
            RETURN unit;
        END IF;
        SELECT s.new_id, s.split INTO heir, parted FROM successors AS s
        WHERE s.kind = 'unit' AND s.old_id = unit AND s.effective_on <= day ORDER BY s.effective_on DESC LIMIT 1;
        EXIT WHEN heir IS NULL OR parted;
        unit := heir;
    END LOOP;
    RETURN unit;
END $$;

-- Whose a case is on a day: its document's owner, or the unit it was opened for, and what took over from that.
CREATE FUNCTION owner_on(document uuid, unit text, day date) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT unit_on(coalesce((SELECT o.unit_id FROM document_owners AS o WHERE o.document_id = document), unit), day)
$$;
