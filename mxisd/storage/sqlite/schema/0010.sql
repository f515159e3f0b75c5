-- "created" is when an access token was given out or, to some weeks, used last: by it the oldest go.
CREATE INDEX IF NOT EXISTS access_tokens_by_user ON access_tokens (user_id, created);
CREATE INDEX IF NOT EXISTS access_tokens_by_age ON access_tokens (created);
-- Sessions of an address, of which only so many are kept.
CREATE INDEX IF NOT EXISTS sessions_by_address ON sessions (address, medium, modified);
