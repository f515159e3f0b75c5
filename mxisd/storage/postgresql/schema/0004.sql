-- A homeserver accepts what one of the keys has signed that were published with the invite, and no newer one.
ALTER TABLE mxisd_invites ADD COLUMN key_id text COLLATE "C";
