-- Searches look at the newest articles of all sources.
CREATE INDEX article_newest ON article (first_seen, id) WHERE visible;

-- The canonical query of a selection that somebody follows. Such a feed is neither a file nor a category, whatever
-- `origin` says.
ALTER TABLE feed ADD COLUMN selection TEXT;

-- The selection that a request asks for, as a feed that begins once the request is confirmed.
ALTER TABLE opt_in ADD COLUMN selection TEXT;
