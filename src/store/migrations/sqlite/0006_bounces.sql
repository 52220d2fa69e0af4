-- Refusals that say something of an address: replies in the dialogue, reports that came back, complaints. What they come
-- to is computed from these rows, so that taking some back takes their effect back.
CREATE TABLE bounce (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    subscriber_id INTEGER NOT NULL REFERENCES subscriber (id),
    delivery_id   INTEGER,
    kind          TEXT NOT NULL CHECK (kind IN ('reply', 'report', 'complaint')),
    -- None for a complaint.
    cause         TEXT CHECK (cause IN ('no_such_user', 'mailbox_full', 'policy', 'content', 'sender', 'temporary', 'unknown')),
    -- The domain of the address then.
    domain        TEXT NOT NULL,
    -- What the server said, without the address.
    detail        TEXT NOT NULL,
    at            INTEGER NOT NULL,
    judged_at     INTEGER,
    -- Says nothing any more: part of a wave, or from before the person asked anew.
    void          INTEGER NOT NULL
) STRICT;
-- A report that is read twice counts once.
CREATE UNIQUE INDEX bounce_once ON bounce (subscriber_id, delivery_id, kind);
CREATE INDEX bounce_open ON bounce (id) WHERE judged_at IS NULL;
CREATE INDEX bounce_domain ON bounce (domain, at);
CREATE INDEX bounce_at ON bounce (at);

-- Addresses that get no mail, by a keyed hash. While the person is known, subscriber_id leads to them; the row stays when
-- they are erased.
CREATE TABLE suppression (
    address_hash  TEXT PRIMARY KEY,
    subscriber_id INTEGER REFERENCES subscriber (id),
    reason        TEXT NOT NULL CHECK (reason IN ('no_such_user', 'mailbox_full', 'unknown', 'complaint', 'operator')),
    -- In words for the operator, without the address.
    evidence      TEXT NOT NULL,
    since         INTEGER NOT NULL,
    -- When the address is tried again; none: when the person asks anew.
    lapses_at     INTEGER
) STRICT;
CREATE UNIQUE INDEX suppression_subscriber ON suppression (subscriber_id) WHERE subscriber_id IS NOT NULL;

-- Domains whose "no such user" is not believed at the moment.
CREATE TABLE bounce_wave (
    domain  TEXT PRIMARY KEY,
    since   INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    people  INTEGER NOT NULL
) STRICT;
