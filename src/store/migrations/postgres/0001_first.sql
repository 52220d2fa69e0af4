-- Times are UTC milliseconds. Texts are NFC. Words in CHECK are the words of src/domain.

CREATE TABLE secret (
    name       TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counter (name, value) VALUES ('feed_version', 0);

-- One holder at a time does a thing (polls a source, makes a digest run). A row, not a session lock: poolers may sit between.
CREATE TABLE lease (
    name    TEXT PRIMARY KEY,
    holder  TEXT NOT NULL,
    expires BIGINT NOT NULL
);

CREATE TABLE source (
    name          TEXT PRIMARY KEY,
    baseline_at   BIGINT,
    polled_at     BIGINT,
    error         TEXT,
    error_at      BIGINT,
    missing_polls BIGINT NOT NULL DEFAULT 0,
    next_flip     BIGINT,
    faults        TEXT NOT NULL DEFAULT '[]'
);

CREATE TABLE category (
    source      TEXT NOT NULL,
    external_id TEXT NOT NULL,
    parent      TEXT,
    slug        TEXT NOT NULL,
    title       TEXT NOT NULL,
    PRIMARY KEY (source, external_id)
);

CREATE TABLE article (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source       TEXT NOT NULL,
    external_id  TEXT NOT NULL,
    entry_id     TEXT NOT NULL UNIQUE,
    visible      BOOLEAN NOT NULL,
    revision     BIGINT NOT NULL,
    light        TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,
    first_seen   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    title        TEXT NOT NULL,
    body         TEXT NOT NULL,
    UNIQUE (source, external_id)
);

CREATE TABLE change (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    article_id   BIGINT NOT NULL REFERENCES article (id),
    kind         TEXT NOT NULL CHECK (kind IN ('published', 'revised', 'withdrawn')),
    revision     BIGINT NOT NULL,
    seen_at      BIGINT NOT NULL,
    -- Whether people are told; endpoints always are.
    people       BOOLEAN NOT NULL,
    -- Held back by the flood guard until a person releases it.
    held         BOOLEAN NOT NULL,
    processed_at BIGINT,
    UNIQUE (article_id, revision)
);
CREATE INDEX change_open ON change (id) WHERE processed_at IS NULL;

CREATE TABLE feed (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug       TEXT NOT NULL UNIQUE,
    origin     TEXT NOT NULL CHECK (origin IN ('file', 'category')),
    spec       TEXT NOT NULL,
    version    BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    retired_at BIGINT
);
CREATE INDEX feed_version ON feed (version);

-- Which article is in which feed, why, and since when. A row outlives the membership (left_at), so that those who were
-- told can be told that it went.
CREATE TABLE feed_article (
    feed_id    BIGINT NOT NULL REFERENCES feed (id),
    article_id BIGINT NOT NULL REFERENCES article (id),
    reason     TEXT NOT NULL,
    -- The moment of the change by which it entered, and that change's number in the order of commits.
    since      BIGINT NOT NULL,
    entered    BIGINT NOT NULL,
    left_at    BIGINT,
    people     BOOLEAN NOT NULL,
    -- Copy of article.first_seen: the order of the feed.
    rank       BIGINT NOT NULL,
    PRIMARY KEY (feed_id, article_id)
);
CREATE INDEX feed_article_article ON feed_article (article_id);
CREATE INDEX feed_article_rank ON feed_article (feed_id, rank, article_id);
CREATE INDEX feed_article_entered ON feed_article (feed_id, entered) WHERE people;

CREATE TABLE subscriber (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('person', 'endpoint')),
    email      TEXT,
    email_key  TEXT UNIQUE,
    locale     TEXT NOT NULL CHECK (locale IN ('vi', 'en')),
    created_at BIGINT NOT NULL
);

-- A request that waits for its double opt-in, and afterwards the evidence of consent.
CREATE TABLE opt_in (
    id            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscriber_id BIGINT NOT NULL REFERENCES subscriber (id),
    wishes        TEXT NOT NULL,
    locale        TEXT NOT NULL,
    text_version  TEXT NOT NULL,
    method        TEXT NOT NULL,
    requested_at  BIGINT NOT NULL,
    confirmed_at  BIGINT
);
CREATE INDEX opt_in_subscriber ON opt_in (subscriber_id);

CREATE TABLE subscription (
    id            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscriber_id BIGINT NOT NULL REFERENCES subscriber (id),
    feed_id       BIGINT NOT NULL REFERENCES feed (id),
    channel       TEXT NOT NULL CHECK (channel IN ('email', 'webhook')),
    frequency     TEXT NOT NULL CHECK (frequency IN ('immediate', 'daily', 'weekly')),
    state         TEXT NOT NULL CHECK (state IN ('confirmed', 'ended')),
    since         BIGINT NOT NULL,
    -- What entered the feed up to this number (feed_article.entered) has been through a digest for this subscription.
    -- A number and not a time: a poll that commits late is still after it.
    told_until    BIGINT NOT NULL,
    ended_at      BIGINT,
    end_reason    TEXT
);
CREATE UNIQUE INDEX subscription_live ON subscription (subscriber_id, feed_id, channel) WHERE state = 'confirmed';
CREATE INDEX subscription_feed ON subscription (feed_id, channel, frequency, subscriber_id) WHERE state = 'confirmed';

CREATE TABLE endpoint (
    subscriber_id   BIGINT PRIMARY KEY REFERENCES subscriber (id),
    public_id       TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL,
    url             TEXT NOT NULL,
    secret          TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    disabled_at     BIGINT,
    disabled_reason TEXT,
    deleted_at      BIGINT
);

CREATE TABLE digest_run (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    frequency  TEXT NOT NULL CHECK (frequency IN ('daily', 'weekly')),
    date       TEXT NOT NULL,
    window_to  BIGINT NOT NULL,
    -- The newest entry (feed_article.entered) that belongs to this run.
    upto       BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- Members are made in steps of subscribers; a crash goes on from here.
    cursor     BIGINT NOT NULL DEFAULT 0,
    members    BIGINT NOT NULL DEFAULT 0,
    planned_at BIGINT,
    UNIQUE (frequency, date)
);

-- One distinct content of a run: the sections that everyone with these feeds gets.
CREATE TABLE digest_set (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id   BIGINT NOT NULL REFERENCES digest_run (id),
    key      TEXT NOT NULL,
    sections TEXT NOT NULL,
    UNIQUE (run_id, key)
);

-- The outbox. A claim moves due_at to the end of its lease and writes a token into lease; a crash needs no repair.
CREATE TABLE delivery (
    id            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane          TEXT NOT NULL CHECK (lane IN ('transactional', 'immediate', 'digest')),
    channel       TEXT NOT NULL CHECK (channel IN ('email', 'webhook')),
    kind          TEXT NOT NULL CHECK (kind IN ('published', 'revised', 'withdrawn', 'digest', 'confirm')),
    state         TEXT NOT NULL CHECK (state IN ('pending', 'sent', 'dead', 'cancelled')),
    subscriber_id BIGINT NOT NULL,
    article_id    BIGINT,
    change_id     BIGINT,
    set_id        BIGINT,
    run_id        BIGINT,
    opt_in_id     BIGINT,
    due_at        BIGINT NOT NULL,
    lease         BIGINT,
    attempts      BIGINT NOT NULL DEFAULT 0,
    cause         TEXT,
    detail        TEXT,
    -- Of a digest: the articles of its set that were not in it after all when it was composed, as a JSON list.
    left_out      TEXT,
    created_at    BIGINT NOT NULL,
    settled_at    BIGINT
);
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
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_id BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    cause       TEXT NOT NULL,
    detail      TEXT NOT NULL
);
CREATE INDEX attempt_delivery ON attempt (delivery_id);

CREATE TABLE token (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       TEXT NOT NULL,
    hash       TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    used_at    BIGINT,
    revoked_at BIGINT
);
