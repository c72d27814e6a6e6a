-- AP-52: several cases approved at once. Each act is recorded as any other, with its own receipt, and says so.

ALTER TABLE decisions ADD COLUMN bulk boolean NOT NULL DEFAULT false;
ALTER TABLE decisions ADD CONSTRAINT decisions_bulk CHECK (NOT bulk OR action IN ('approve', 'concur')) NOT VALID;
