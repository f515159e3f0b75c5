-- One word for one thing: a user ID is "user_id" in every table, and what may happen once in a while has a cooldown.
ALTER TABLE bindings RENAME COLUMN mxid TO user_id;
ALTER TABLE hashes RENAME COLUMN mxid TO user_id;
ALTER TABLE invites RENAME COLUMN mxid TO user_id;
ALTER TABLE deliveries RENAME COLUMN mxid TO user_id;
ALTER TABLE occasions RENAME COLUMN occasion TO name;
ALTER TABLE occasions RENAME TO cooldowns;
