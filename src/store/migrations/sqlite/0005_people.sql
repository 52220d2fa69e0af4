-- What stands for a person or a request in links and message ids. Drawn by chance, so that a database that was restored
-- from a backup never gives a number to somebody else. Rows from before keep theirs, and with it the links of old mails.
ALTER TABLE subscriber ADD COLUMN public_id INTEGER;
UPDATE subscriber SET public_id = id WHERE kind = 'person';
CREATE UNIQUE INDEX subscriber_public ON subscriber (public_id) WHERE public_id IS NOT NULL;
ALTER TABLE opt_in ADD COLUMN public_id INTEGER;
UPDATE opt_in SET public_id = id;
CREATE UNIQUE INDEX opt_in_public ON opt_in (public_id) WHERE public_id IS NOT NULL;

-- Minutes after midnight on the site's clock at which the person wants digests; none: the site's own hour.
ALTER TABLE subscriber ADD COLUMN digest_minute INTEGER;
-- Until then nothing but answers is mailed.
ALTER TABLE subscriber ADD COLUMN paused_until INTEGER;
CREATE INDEX subscriber_paused ON subscriber (paused_until) WHERE paused_until IS NOT NULL;
ALTER TABLE opt_in ADD COLUMN digest_minute INTEGER;

-- What was agreed to: the SHA-256 of the words; for consent from elsewhere, what whoever brought it says of it.
ALTER TABLE opt_in ADD COLUMN text_hash TEXT;
ALTER TABLE opt_in ADD COLUMN evidence TEXT;
-- A subscription; a move of the person moves_id to this address; or the word to an address that was left so.
ALTER TABLE opt_in ADD COLUMN purpose TEXT NOT NULL DEFAULT 'subscribe' CHECK (purpose IN ('subscribe', 'move', 'moved'));
ALTER TABLE opt_in ADD COLUMN moves_id INTEGER;
CREATE INDEX opt_in_moves ON opt_in (moves_id) WHERE moves_id IS NOT NULL;

-- Who left everything or was erased, by a keyed hash of the address: no list brings them back, only they themselves.
CREATE TABLE farewell (
    address_hash TEXT PRIMARY KEY,
    reason       TEXT NOT NULL CHECK (reason IN ('unsubscribed', 'erased')),
    left_at      INTEGER NOT NULL
) STRICT;
-- The key of that hash. It goes with the data, so it is made with the table.
INSERT INTO secret (name, value, created_at) VALUES ('address.1', lower(hex(randomblob(32))), 0);

-- What a token may do; tokens from before may do everything.
ALTER TABLE token ADD COLUMN scopes TEXT NOT NULL DEFAULT 'all';
