-- 遡及: why a change set was entered after its day; '' for one of its day or ahead (AC-06).
ALTER TABLE change_sets ADD COLUMN late_reason text NOT NULL DEFAULT '';
