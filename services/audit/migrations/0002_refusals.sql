-- Denied and failed accesses are few and looked for often: an index of their own.

CREATE INDEX entries_refused ON entries (outcome, occurred_at, log_year, leaf_index)
WHERE outcome <> 'granted';
