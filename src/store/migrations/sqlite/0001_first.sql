-- Times are UTC milliseconds. Texts are NFC. Words in CHECK are the words of src/domain.

CREATE TABLE secret (
    name       TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
INSERT INTO counter (name, value) VALUES ('feed_version', 0);

-- One holder at a time does a thing (polls a source, makes a digest run). A row, not a session lock: poolers may sit between.
CREATE TABLE lease (
    name    TEXT PRIMARY KEY,
    holder  TEXT NOT NULL,
    expires INTEGER NOT NULL
) STRICT;

CREATE TABLE source (
    name          TEXT PRIMARY KEY,
    baseline_at   INTEGER,
    polled_at     INTEGER,
    error         TEXT,
    error_at      INTEGER,
    missing_polls INTEGER NOT NULL DEFAULT 0,
    next_flip     INTEGER,
    faults        TEXT NOT NULL DEFAULT '[]'
) STRICT;

CREATE TABLE category (
    source      TEXT NOT NULL,
    external_id TEXT NOT NULL,
    parent      TEXT,
    slug        TEXT NOT NULL,
    title       TEXT NOT NULL,
    PRIMARY KEY (source, external_id)
) STRICT;

CREATE TABLE article (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    source       TEXT NOT NULL,
    external_id  TEXT NOT NULL,
    entry_id     TEXT NOT NULL UNIQUE,
    visible      INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    light        TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,
    first_seen   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    title        TEXT NOT NULL,
    body         TEXT NOT NULL,
    UNIQUE (source, external_id)
) STRICT;

CREATE TABLE change (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    article_id   INTEGER NOT NULL REFERENCES article (id),
    kind         TEXT NOT NULL CHECK (kind IN ('published', 'revised', 'withdrawn')),
    revision     INTEGER NOT NULL,
    seen_at      INTEGER NOT NULL,
    -- Whether people are told; endpoints always are.
    people       INTEGER NOT NULL,
    -- Held back by the flood guard until a person releases it.
    held         INTEGER NOT NULL,
    processed_at INTEGER,
    UNIQUE (article_id, revision)
) STRICT;
CREATE INDEX change_open ON change (id) WHERE processed_at IS NULL;

CREATE TABLE feed (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    slug       TEXT NOT NULL UNIQUE,
    origin     TEXT NOT NULL CHECK (origin IN ('file', 'category')),
    spec       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    retired_at INTEGER
) STRICT;
CREATE INDEX feed_version ON feed (version);

-- Which article is in which feed, why, and since when. A row outlives the membership (left_at), so that those who were
-- told can be told that it went.
CREATE TABLE feed_article (
    feed_id    INTEGER NOT NULL REFERENCES feed (id),
    article_id INTEGER NOT NULL REFERENCES article (id),
    reason     TEXT NOT NULL,
    -- The moment of the change by which it entered, and that change's number in the order of commits.
    since      INTEGER NOT NULL,
    entered    INTEGER NOT NULL,
    left_at    INTEGER,
    people     INTEGER NOT NULL,
    -- Copy of article.first_seen: the order of the feed.
    rank       INTEGER NOT NULL,
    PRIMARY KEY (feed_id, article_id)
) STRICT;
CREATE INDEX feed_article_article ON feed_article (article_id);
CREATE INDEX feed_article_rank ON feed_article (feed_id, rank, article_id);
CREATE INDEX feed_article_entered ON feed_article (feed_id, entered) WHERE people;

CREATE TABLE subscriber (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT NOT NULL CHECK (kind IN ('person', 'endpoint')),
    email      TEXT,
    email_key  TEXT UNIQUE,
    locale     TEXT NOT NULL CHECK (locale IN ('vi', 'en')),
    created_at INTEGER NOT NULL
) STRICT;

-- A request that waits for its double opt-in, and afterwards the evidence of consent.
CREATE TABLE opt_in (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    subscriber_id INTEGER NOT NULL REFERENCES subscriber (id),
    wishes        TEXT NOT NULL,
    locale        TEXT NOT NULL,
    text_version  TEXT NOT NULL,
    method        TEXT NOT NULL,
    requested_at  INTEGER NOT NULL,
    confirmed_at  INTEGER
) STRICT;
CREATE INDEX opt_in_subscriber ON opt_in (subscriber_id);

CREATE TABLE subscription (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    subscriber_id INTEGER NOT NULL REFERENCES subscriber (id),
    feed_id       INTEGER NOT NULL REFERENCES feed (id),
    channel       TEXT NOT NULL CHECK (channel IN ('email', 'webhook')),
    frequency     TEXT NOT NULL CHECK (frequency IN ('immediate', 'daily', 'weekly')),
    state         TEXT NOT NULL CHECK (state IN ('confirmed', 'ended')),
    since         INTEGER NOT NULL,
    -- What entered the feed up to this number (feed_article.entered) has been through a digest for this subscription.
    -- A number and not a time: a poll that commits late is still after it.
    told_until    INTEGER NOT NULL,
    ended_at      INTEGER,
    end_reason    TEXT
) STRICT;
CREATE UNIQUE INDEX subscription_live ON subscription (subscriber_id, feed_id, channel) WHERE state = 'confirmed';
CREATE INDEX subscription_feed ON subscription (feed_id, channel, frequency, subscriber_id) WHERE state = 'confirmed';

CREATE TABLE endpoint (
    subscriber_id   INTEGER PRIMARY KEY REFERENCES subscriber (id),
    public_id       TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL,
    url             TEXT NOT NULL,
    secret          TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    disabled_at     INTEGER,
    disabled_reason TEXT,
    deleted_at      INTEGER
) STRICT;

CREATE TABLE digest_run (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    frequency  TEXT NOT NULL CHECK (frequency IN ('daily', 'weekly')),
    date       TEXT NOT NULL,
    window_to  INTEGER NOT NULL,
    -- The newest entry (feed_article.entered) that belongs to this run.
    upto       INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    -- Members are made in steps of subscribers; a crash goes on from here.
    cursor     INTEGER NOT NULL DEFAULT 0,
    members    INTEGER NOT NULL DEFAULT 0,
    planned_at INTEGER,
    UNIQUE (frequency, date)
) STRICT;

-- One distinct content of a run: the sections that everyone with these feeds gets.
CREATE TABLE digest_set (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id   INTEGER NOT NULL REFERENCES digest_run (id),
    key      TEXT NOT NULL,
    sections TEXT NOT NULL,
    UNIQUE (run_id, key)
) STRICT;

-- The outbox. A claim moves due_at to the end of its lease and writes a token into lease; a crash needs no repair.
CREATE TABLE delivery (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    lane          TEXT NOT NULL CHECK (lane IN ('transactional', 'immediate', 'digest')),
    channel       TEXT NOT NULL CHECK (channel IN ('email', 'webhook')),
    kind          TEXT NOT NULL CHECK (kind IN ('published', 'revised', 'withdrawn', 'digest', 'confirm')),
    state         TEXT NOT NULL CHECK (state IN ('pending', 'sent', 'dead', 'cancelled')),
    subscriber_id INTEGER NOT NULL,
    article_id    INTEGER,
    change_id     INTEGER,
    set_id        INTEGER,
    run_id        INTEGER,
    opt_in_id     INTEGER,
    due_at        INTEGER NOT NULL,
    lease         INTEGER,
    attempts      INTEGER NOT NULL DEFAULT 0,
    cause         TEXT,
    detail        TEXT,
    -- Of a digest: the articles of its set that were not in it after all when it was composed, as a JSON list.
    left_out      TEXT,
    created_at    INTEGER NOT NULL,
    settled_at    INTEGER
) STRICT;
CREATE INDEX delivery_due ON delivery (channel, lane, due_at, id) WHERE state = 'pending';
-- What became of an article's notices; grows at its end, since articles come one after another.
CREATE INDEX delivery_article ON delivery (article_id) WHERE article_id IS NOT NULL;
-- A second mail for the same person and article is impossible.
CREATE UNIQUE INDEX delivery_article_once ON delivery (subscriber_id, article_id)
    WHERE channel = 'email' AND article_id IS NOT NULL AND state <> 'cancelled';
-- Mails that were cancelled while they were on their way: few, and for a moment.
CREATE INDEX delivery_on_its_way ON delivery (article_id, subscriber_id) WHERE state = 'cancelled' AND lease IS NOT NULL;
CREATE UNIQUE INDEX delivery_event_once ON delivery (subscriber_id, change_id) WHERE channel = 'webhook';
CREATE UNIQUE INDEX delivery_digest_once ON delivery (subscriber_id, run_id) WHERE run_id IS NOT NULL;
CREATE UNIQUE INDEX delivery_opt_in_once ON delivery (opt_in_id) WHERE opt_in_id IS NOT NULL;

-- Each try that did not end in "sent".
CREATE TABLE attempt (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery_id INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    cause       TEXT NOT NULL,
    detail      TEXT NOT NULL
) STRICT;
CREATE INDEX attempt_delivery ON attempt (delivery_id);

CREATE TABLE token (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL,
    hash       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    used_at    INTEGER,
    revoked_at INTEGER
) STRICT;
