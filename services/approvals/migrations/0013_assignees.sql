-- 担当者 of documents whose drafter has left (AP-42), as documents announced last. By document: its next case has the same.
CREATE TABLE assignees (
    document_id uuid PRIMARY KEY,
    staff_id text NOT NULL,
    -- Of the document, when it was assigned.
    version bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON assignees TO ${app};

-- Whose a case is on a day: of a unit that has ended the one that took over, or that one's, as far as needed (RT-10).
-- The case keeps the unit it was opened for.
CREATE FUNCTION unit_on(unit text, day date) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    heir text;
BEGIN
    FOR step IN 1..16 LOOP
        IF EXISTS (SELECT FROM units AS u WHERE u.unit_id = unit AND u.valid_from <= day AND day < u.valid_to) THEN
            RETURN unit;
        END IF;
        SELECT s.new_id INTO heir FROM successors AS s
        WHERE s.kind = 'unit' AND s.old_id = unit AND s.effective_on <= day ORDER BY s.effective_on DESC LIMIT 1;
        EXIT WHEN heir IS NULL;
        unit := heir;
    END LOOP;
    RETURN unit;
END $$;
