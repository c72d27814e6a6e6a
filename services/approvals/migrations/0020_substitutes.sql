-- 代決順位 may differ by matter, technical ones from others (AP-13). '' is the list of all matters that have none of their
-- own, which is what every row was until now. The table is small: a row for each rank and change.
ALTER TABLE substitutes ADD COLUMN matter text NOT NULL DEFAULT '';
-- squawk-ignore ban-drop-constraint, adding-serial-primary-key-field, constraint-missing-not-valid
ALTER TABLE substitutes DROP CONSTRAINT substitutes_pkey, ADD PRIMARY KEY (post_id, matter, place, valid_from);
-- squawk-ignore ban-drop-constraint
ALTER TABLE substitutes DROP CONSTRAINT substitutes_post_id_place_daterange_excl;
ALTER TABLE substitutes
-- squawk-ignore constraint-missing-not-valid
ADD EXCLUDE USING gist (post_id WITH =, matter WITH =, place WITH =, daterange(valid_from, valid_to) WITH &&);

-- The list that counts for a case of this route plan: that of its matter, if the decider has one on the day.
CREATE FUNCTION substitutes_on(decider text, plan uuid, day date)
RETURNS TABLE (place smallint, substitute_post_id text) LANGUAGE sql STABLE AS $$
    SELECT b.place, b.substitute_post_id FROM substitutes AS b
    WHERE b.post_id = decider AND b.valid_from <= day AND day < b.valid_to AND b.matter = (
        SELECT coalesce(max(m.matter), '') FROM substitutes AS m
        WHERE m.post_id = decider AND m.valid_from <= day AND day < m.valid_to
            AND m.matter IN ('', (SELECT r.matter FROM route_plans AS r WHERE r.route_plan_id = plan))
    )
$$;
