-- What one sender has queued does not stand before what others have: a delivery comes in a later turn the more there is
-- queued to its destination of the same sender, or of others of that sender's homeserver, four of whom count as one.
ALTER TABLE mxisd_deliveries
    ADD COLUMN sender text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN server text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN turn bigint NOT NULL DEFAULT 0;
CREATE INDEX ON mxisd_deliveries (kind, destination, turn, due, id) WHERE state = 'queued';
CREATE INDEX ON mxisd_deliveries (kind, destination, server, sender) WHERE state = 'queued';
CREATE FUNCTION mxisd_take_turns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT invites.sender, substr(invites.sender, strpos(invites.sender, ':') + 1) INTO NEW.sender, NEW.server
    FROM mxisd_invites AS invites WHERE invites.token = NEW.token;
    NEW.sender := coalesce(NEW.sender, '');
    NEW.server := coalesce(NEW.server, '');
    NEW.turn := greatest(
        (SELECT count(*) FROM (
            SELECT FROM mxisd_deliveries AS own
            WHERE state = 'queued' AND kind = NEW.kind AND destination = NEW.destination
                AND own.server = NEW.server AND own.sender = NEW.sender LIMIT 63) AS own),
        -- Of some hundred deliveries, and not of all: a queue may be long.
        (SELECT least(count(DISTINCT sender) / 4, 63) FROM (
            (SELECT sender FROM mxisd_deliveries AS others
             WHERE state = 'queued' AND kind = NEW.kind AND destination = NEW.destination
                 AND others.server = NEW.server AND others.sender < NEW.sender LIMIT 252)
            UNION ALL
            (SELECT sender FROM mxisd_deliveries AS others
             WHERE state = 'queued' AND kind = NEW.kind AND destination = NEW.destination
                 AND others.server = NEW.server AND others.sender > NEW.sender LIMIT 252)) AS others));
    RETURN NEW;
END $$;
CREATE TRIGGER mxisd_take_turns BEFORE INSERT ON mxisd_deliveries
    FOR EACH ROW WHEN (NEW.token IS NOT NULL) EXECUTE FUNCTION mxisd_take_turns();
