-- Sessions hold no secrets any more, but what is needed to compare: see mxisd.storage.records.  Those under way go on.
DROP INDEX sessions_by_secret;
ALTER TABLE sessions RENAME COLUMN client_secret TO secret_digest;
ALTER TABLE sessions RENAME COLUMN token TO token_digests;
UPDATE sessions SET
    token_digests = sha256(sid || ' ' || secret_digest || ' ' || token_digests),
    secret_digest = sha256(medium || ' ' || address || ' ' || secret_digest);
CREATE INDEX sessions_by_secret ON sessions (secret_digest, modified);
