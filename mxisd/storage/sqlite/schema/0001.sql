CREATE TABLE sessions (
    sid TEXT PRIMARY KEY,
    client_secret TEXT NOT NULL,
    medium TEXT NOT NULL,
    address TEXT NOT NULL,
    token TEXT NOT NULL,
    modified INTEGER NOT NULL,
    send_attempt INTEGER NOT NULL,
    next_link TEXT,
    validated_at INTEGER,
    guesses INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_by_secret ON sessions (client_secret, address, medium, modified);
CREATE INDEX sessions_by_age ON sessions (modified);

CREATE TABLE bindings (
    medium TEXT NOT NULL,
    address TEXT NOT NULL,
    mxid TEXT NOT NULL,
    bound_at INTEGER NOT NULL,
    signed BLOB NOT NULL,
    PRIMARY KEY (address, medium)
) WITHOUT ROWID;

CREATE TABLE peppers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pepper TEXT NOT NULL UNIQUE,
    made_at INTEGER NOT NULL,
    in_use INTEGER NOT NULL DEFAULT 0
);

-- The identity stores that can be listed, in the order in which they count.
CREATE TABLE sources (
    position INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- What one source lists under one pepper.  The source '' is our bindings.  AUTOINCREMENT: the hashes of a listing that is
-- no more are swept up later, and must not be taken for those of another.
CREATE TABLE listings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pepper INTEGER NOT NULL REFERENCES peppers (id),
    source TEXT NOT NULL,
    UNIQUE (pepper, source)
);

CREATE TABLE hashes (
    listing INTEGER NOT NULL,
    digest TEXT NOT NULL,
    mxid TEXT NOT NULL,
    PRIMARY KEY (listing, digest)
) WITHOUT ROWID;

CREATE TABLE invites (
    token TEXT PRIMARY KEY,
    medium TEXT NOT NULL,
    address TEXT NOT NULL,
    room_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    created INTEGER NOT NULL,
    ephemeral_public_key TEXT NOT NULL UNIQUE,
    ephemeral_private_key TEXT NOT NULL,
    fields TEXT NOT NULL,
    due INTEGER NOT NULL,
    remote_due INTEGER NOT NULL,
    remote_misses INTEGER NOT NULL,
    notified_at INTEGER,
    ended TEXT,
    ended_at INTEGER,
    mxid TEXT
) WITHOUT ROWID;
CREATE UNIQUE INDEX invites_pending ON invites (address, medium, room_id, sender) WHERE ended IS NULL;

CREATE INDEX invites_due ON invites (due, address) WHERE ended IS NULL;
CREATE INDEX invites_ended ON invites (ended_at) WHERE ended IS NOT NULL;

-- AUTOINCREMENT: an id is never given twice, so that a claim on a deleted delivery cannot fit a later one.
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    destination TEXT NOT NULL,
    medium TEXT NOT NULL,
    address TEXT NOT NULL,
    token TEXT,
    mxid TEXT,
    created INTEGER NOT NULL,
    due INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued',
    attempts INTEGER NOT NULL DEFAULT 0,
    claimed INTEGER NOT NULL DEFAULT 0,
    lost INTEGER NOT NULL DEFAULT 0,
    errors INTEGER NOT NULL DEFAULT 0,
    answer TEXT
);
CREATE INDEX deliveries_due ON deliveries (kind, due) WHERE state = 'queued';
CREATE INDEX deliveries_by_destination ON deliveries (kind, destination, due) WHERE state = 'queued';
CREATE INDEX deliveries_by_invite ON deliveries (token);

CREATE TABLE access_tokens (
    digest TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    created INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE accepted_terms (
    user_id TEXT NOT NULL,
    url TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, url)
) WITHOUT ROWID;

CREATE TABLE transactions (
    txn_id TEXT PRIMARY KEY,
    done_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE occasions (
    occasion TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) WITHOUT ROWID;

-- What a file of signing keys would hold, if there is none.
CREATE TABLE signing_keys (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    content BLOB NOT NULL
);

-- How far a copy from another engine has come.
CREATE TABLE copied (
    kind TEXT PRIMARY KEY,
    position TEXT NOT NULL
) WITHOUT ROWID;
