-- What one sender has queued does not stand before what others have: a delivery comes in a later turn the more there is
-- queued to its destination of the same sender, or of others of that sender's homeserver, four of whom count as one.
ALTER TABLE deliveries ADD COLUMN sender TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN server TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
DROP INDEX deliveries_by_destination;
CREATE INDEX deliveries_by_turn ON deliveries (kind, destination, turn, due) WHERE state = 'queued';
CREATE INDEX deliveries_by_sender ON deliveries (kind, destination, server, sender) WHERE state = 'queued';
CREATE TRIGGER deliveries_take_turns AFTER INSERT ON deliveries WHEN NEW.token IS NOT NULL BEGIN
    UPDATE deliveries SET
        sender = coalesce((SELECT sender FROM invites WHERE token = NEW.token), ''),
        server = coalesce((SELECT substr(sender, instr(sender, ':') + 1) FROM invites WHERE token = NEW.token), '')
    WHERE id = NEW.id;
    UPDATE deliveries SET turn = max(
        (SELECT count(*) FROM (
            SELECT 1 FROM deliveries AS own
            WHERE state = 'queued' AND kind = NEW.kind AND destination = NEW.destination
                AND server = deliveries.server AND sender = deliveries.sender AND id <> NEW.id LIMIT 63)),
        -- Of some hundred deliveries, and not of all: a queue may be long.
        (SELECT min(count(DISTINCT sender) / 4, 63) FROM (
            SELECT * FROM (
                SELECT sender FROM deliveries AS others
                WHERE state = 'queued' AND kind = NEW.kind AND destination = NEW.destination
                    AND server = deliveries.server AND sender < deliveries.sender LIMIT 252)
            UNION ALL SELECT * FROM (
                SELECT sender FROM deliveries AS others
                WHERE state = 'queued' AND kind = NEW.kind AND destination = NEW.destination
                    AND server = deliveries.server AND sender > deliveries.sender LIMIT 252))))
    WHERE id = NEW.id;
END;
