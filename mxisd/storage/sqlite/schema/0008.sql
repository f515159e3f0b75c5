-- For whom the acceptance of an invite was signed, and when: a JSON object.  Of older signatures nobody knows.
ALTER TABLE invites ADD COLUMN signed_by TEXT NOT NULL DEFAULT '{}';
