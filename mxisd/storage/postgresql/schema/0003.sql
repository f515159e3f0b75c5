-- "created" is when an access token was given out or, to some weeks, used last: by it the oldest go.
CREATE INDEX IF NOT EXISTS mxisd_access_tokens_by_user ON mxisd_access_tokens (user_id, created);
CREATE INDEX IF NOT EXISTS mxisd_access_tokens_by_age ON mxisd_access_tokens (created);
-- Sessions of an address, of which only so many are kept.
CREATE INDEX IF NOT EXISTS mxisd_sessions_by_address ON mxisd_sessions (address, medium, modified);
