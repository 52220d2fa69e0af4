-- Two more kinds of event.
ALTER TABLE delivery DROP CONSTRAINT delivery_kind_check;
ALTER TABLE delivery ADD CONSTRAINT delivery_kind_check
    CHECK (kind IN ('test', 'disabled', 'published', 'revised', 'withdrawn', 'digest', 'confirm'));

-- What a receiver's queue needs to know of itself: narrow, since it is written at each fan-out.
CREATE TABLE push_queue (
    subscriber_id BIGINT PRIMARY KEY REFERENCES subscriber (id),
    -- The number of its newest event; they have no gaps.
    seq           BIGINT NOT NULL DEFAULT 0,
    -- One event at a time, in the order of their numbers.
    in_order      BOOLEAN NOT NULL,
    -- The breaker: rounds of failures without a success between them, since when, and the last one that counted.
    failures      BIGINT NOT NULL DEFAULT 0,
    failing_since BIGINT,
    failed_at     BIGINT,
    -- Nothing is sent before this moment.
    rests_until   BIGINT NOT NULL DEFAULT 0
);

-- An event's number among its receiver's events.
ALTER TABLE delivery ADD COLUMN seq BIGINT;
CREATE UNIQUE INDEX delivery_seq ON delivery (subscriber_id, seq) WHERE seq IS NOT NULL;
-- Rows that a fan-out has made and not numbered yet.
CREATE INDEX delivery_unnumbered ON delivery (change_id) WHERE channel = 'webhook' AND seq IS NULL;
-- What waits for each receiver: in the order of claims, and article by article.
CREATE INDEX delivery_waits ON delivery (subscriber_id, due_at, seq) WHERE state = 'pending' AND channel = 'webhook';
CREATE INDEX delivery_of_article ON delivery (subscriber_id, article_id, seq)
    WHERE state = 'pending' AND channel = 'webhook';

UPDATE delivery SET seq = n.seq
FROM (SELECT id, row_number() OVER (PARTITION BY subscriber_id ORDER BY id) AS seq
      FROM delivery WHERE channel = 'webhook') AS n
WHERE n.id = delivery.id;
INSERT INTO push_queue (subscriber_id, seq, in_order, rests_until)
SELECT e.subscriber_id,
       COALESCE((SELECT max(d.seq) FROM delivery d WHERE d.subscriber_id = e.subscriber_id AND d.seq IS NOT NULL), 0),
       FALSE, CASE WHEN e.disabled_at IS NULL THEN 0 ELSE 9007199254740991 END
FROM endpoint e;
-- What was put far off because its endpoint was disabled waits for the queue now.
UPDATE delivery SET due_at = created_at WHERE channel = 'webhook' AND state = 'pending' AND lease IS NULL;

-- How much an event says, and the token by which a site catches up (its hash).
ALTER TABLE endpoint ADD COLUMN payload TEXT NOT NULL DEFAULT 'thin' CHECK (payload IN ('thin', 'full'));
ALTER TABLE endpoint ADD COLUMN token_hash TEXT;
