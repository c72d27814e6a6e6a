-- How far the records of each source have been compared with what it says of them (its chain, in epoch.heartbeat and
-- epoch.close): the last number that was taken in, the chain value there, and the last number that it has vouched for.
ALTER TABLE sources
ADD chained_seq bigint NOT NULL DEFAULT 0,
ADD chained text NOT NULL DEFAULT '',
ADD vouched_seq bigint NOT NULL DEFAULT 0;
CREATE INDEX sources_to_chain ON sources (last_seen_at) WHERE chained_seq < last_seq AND seen = last_seq;

GRANT UPDATE (chained_seq, chained, vouched_seq) ON sources TO ${app};
