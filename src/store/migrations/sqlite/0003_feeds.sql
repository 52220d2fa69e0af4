-- What left a feed lately, for its tombstones: by leaving it, and by being withdrawn altogether.
CREATE INDEX feed_article_left ON feed_article (feed_id, left_at) WHERE left_at IS NOT NULL;
CREATE INDEX article_withdrawn ON article (updated_at) WHERE NOT visible;
