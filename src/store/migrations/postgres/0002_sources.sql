-- When the clock alone makes an article public or hides it, public now or not.
CREATE TABLE flip (
    source      TEXT NOT NULL,
    at          BIGINT NOT NULL,
    external_id TEXT NOT NULL,
    PRIMARY KEY (source, at, external_id)
);

-- When everything was last compared; polls between look at what matters at once.
ALTER TABLE source ADD COLUMN swept_at BIGINT;
ALTER TABLE source DROP COLUMN next_flip;

CREATE INDEX article_recent ON article (source, first_seen) WHERE visible;
CREATE INDEX change_held ON change (article_id) WHERE held;
