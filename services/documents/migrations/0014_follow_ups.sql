-- 次にすること is edited class by class (FL-06): in the order of its list, whose version the class carries.
ALTER TABLE follow_ups ADD COLUMN position smallint NOT NULL DEFAULT 0;
UPDATE follow_ups AS f SET position = n.position
FROM (
    SELECT follow_up_id, row_number() OVER (PARTITION BY class_code ORDER BY follow_up_id) AS position FROM follow_ups
) AS n
WHERE n.follow_up_id = f.follow_up_id;
-- Unique in its class: a file may move a line to another class while the list of this one is kept as it was edited.
-- squawk-ignore ban-drop-constraint
ALTER TABLE follow_ups DROP CONSTRAINT follow_ups_pkey;
-- squawk-ignore adding-serial-primary-key-field, constraint-missing-not-valid
ALTER TABLE follow_ups ADD PRIMARY KEY (class_code, follow_up_id);
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX follow_ups_class;

ALTER TABLE classes ADD COLUMN follow_ups_version bigint NOT NULL DEFAULT 1 CHECK (follow_ups_version > 0);
-- Staff; '' while the list is as the files have it. Loading the files again leaves an edited one alone.
ALTER TABLE classes ADD COLUMN follow_ups_edited_by text NOT NULL DEFAULT '';
ALTER TABLE classes ADD COLUMN follow_ups_edited_at timestamptz;
