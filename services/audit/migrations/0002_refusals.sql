-- Denied and failed accesses are few and looked for often: indexes of their own, of all, of a person's and of a unit's.

CREATE INDEX entries_refused ON entries (outcome, occurred_at, log_year, leaf_index)
WHERE outcome <> 'granted';
CREATE INDEX entries_refused_by_actor ON entries (staff_id, outcome, occurred_at, log_year, leaf_index)
WHERE outcome <> 'granted';
CREATE INDEX entries_refused_by_unit ON entries (unit_id, outcome, occurred_at, log_year, leaf_index)
WHERE outcome <> 'granted';
