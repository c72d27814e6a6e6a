-- What a city's directory changes takes effect at once: a person, an appointment or a role may end on the very day it
-- began. The row stays and is empty; begun again on that day, it is the same row. Units and posts change at midnight only.
-- These tables are small: a row for each person and change, scanned in a moment.

-- squawk-ignore ban-drop-constraint, constraint-missing-not-valid
ALTER TABLE staff DROP CONSTRAINT staff_check, ADD CONSTRAINT staff_check CHECK (valid_from <= valid_to);
-- squawk-ignore ban-drop-constraint, constraint-missing-not-valid
ALTER TABLE appointments DROP CONSTRAINT appointments_check, ADD CONSTRAINT appointments_check CHECK (valid_from <= valid_to);
-- squawk-ignore ban-drop-constraint, constraint-missing-not-valid
ALTER TABLE roles DROP CONSTRAINT roles_check, ADD CONSTRAINT roles_check CHECK (valid_from <= valid_to);
