-- 重要・異例・先例・紛議 and the drafter's reason (AP-03); '' where only a higher decider was asked for.
ALTER TABLE route_plans ADD COLUMN exception text NOT NULL DEFAULT '';
ALTER TABLE route_plans ADD COLUMN exception_reason text NOT NULL DEFAULT '';
