-- The order of acts is the order of their commits, whatever the clocks of the replicas say.

ALTER TABLE decisions ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY;
DROP INDEX decisions_case;
CREATE INDEX decisions_case ON decisions (case_id, number);
