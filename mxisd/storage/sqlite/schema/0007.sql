-- mxisd 1.x and ma1sd published one key with an invite, and homeservers accept the signatures of no other.
ALTER TABLE invites ADD COLUMN only_key TEXT;
