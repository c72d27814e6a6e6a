-- What waits too long in a unit is looked for among its open cases only (LC-13).
CREATE INDEX cases_open_of_unit ON cases (unit_id) WHERE state = 'circulating';
