-- 併任 and 職務代理 beside 本務, 兼務 and 事務取扱 (AP-19). The table is small: a row for each person and post.
-- squawk-ignore ban-drop-constraint, constraint-missing-not-valid
ALTER TABLE appointments DROP CONSTRAINT appointments_kind_check, ADD CONSTRAINT appointments_kind_check CHECK (
    kind IN ('main', 'concurrent', 'joint', 'deputizing', 'acting')
);
