-- Forms of a route that a rule may ask for: how many of a 合議 have to answer, in which order they are asked, and
-- 仮決裁 before the 合議.
ALTER TABLE version_rules ADD COLUMN concurrence_need smallint NOT NULL DEFAULT 0;
ALTER TABLE version_rules ADD COLUMN concurrence_order text NOT NULL DEFAULT '';
ALTER TABLE version_rules ADD COLUMN provisional boolean NOT NULL DEFAULT false;

CREATE OR REPLACE VIEW decision_rules AS
SELECT
    r.rule_id, v.body, r.unit_id, r.matter, r.amount_min, r.amount_max, r.decision_class, r.concurrence_posts,
    r.concurrence_after, r.review_posts, v.valid_from, v.valid_to, r.basis, r.rule_version_id, r.concurrence_need,
    r.concurrence_order, r.provisional
FROM (
    SELECT
        rule_version_id, body, valid_from,
        lead(valid_from, 1, 'infinity') OVER (PARTITION BY body ORDER BY valid_from) AS valid_to
    FROM rule_versions WHERE state = 'activated'
) AS v
INNER JOIN version_rules AS r ON r.rule_version_id = v.rule_version_id;

-- Of the steps of a group with this number, so many have to act; 0 is a step that has to act itself (AP-08).
ALTER TABLE steps ADD COLUMN need smallint NOT NULL DEFAULT 0;
-- 仮決裁 is one kind more; what is there keeps the narrower check, so nothing has to be read again.
-- squawk-ignore ban-drop-constraint
ALTER TABLE steps DROP CONSTRAINT steps_kind_check;
ALTER TABLE steps ADD CONSTRAINT steps_kind_check CHECK (
    kind IN ('approve', 'decide', 'concur', 'review', 'inform', 'provisional')
) NOT VALID;
