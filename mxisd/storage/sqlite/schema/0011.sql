-- A homeserver accepts what one of the keys has signed that were published with the invite, and no newer one.
ALTER TABLE invites ADD COLUMN key_id TEXT;
