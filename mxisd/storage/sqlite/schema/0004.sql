-- Whether an invite is known to come from its sender.  Of those that are there already nobody knows.
ALTER TABLE invites ADD COLUMN proven INTEGER NOT NULL DEFAULT 0;
