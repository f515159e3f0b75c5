-- Definitions for all scripts.  PREFIX is the beginning of every key; it is set in a line before this file.
--
-- Keys, and what is in them:
--   session:<sid>                      hash     a session
--   session-of:<secret digest>                  the sid of the newest session with this digest
--   sessions-of:<SHA-1>                sorted   sids of the sessions of "<medium> <address>", by their last change
--   bindings                           hash     "<medium> <address>" -> "<user ID> <bound at> <signed>"
--   peppers                            list     "<made at> <pepper>" of those in use, the current one first
--   prepared                                    the same for the pepper that is being prepared and not in use yet
--   preparing                                   exists while a process prepares a pepper or lists a source for it
--   sources                            list     the identity stores that can be listed, in order of priority
--   hashes:<pepper>                    hash     digest -> user ID, for our bindings
--   hashes:<pepper>:<source>           hash     the same for what a source lists
--   staged:<name>                      hash     the same for a new list that is not complete yet; expires if abandoned
--   invite:<token>                     hash     an invite, and the IDs of its deliveries
--   invites-of:<medium>:<address>      hash     "<sender> <room>" -> token, of pending invites
--   given-of:<medium>:<address>        hash     "<sender> <room>" -> token, of the last one that ended as resolved
--   ephemeral                          hash     public key -> token, of all invites
--   due                                sorted   "<address> <medium> <token>" of pending invites, by when they are due
--   pending, ended                     sorted   tokens by when the invites were made, or ended
--   deliveries                                  the last ID given to a delivery
--   delivery:<id>                      hash     a delivery
--   queue:<lane>:<destination>         sorted   IDs of queued deliveries, by when they are due
--   queues:<lane>                      sorted   destinations that something is queued to, by when the next is due
--   waiting:<kind>:<server>:<destination>  hash  senders of that homeserver -> how much of theirs is queued
--   tokens                             hash     digest of an access token -> "<since> <user ID>"
--   tokens-of:<user ID>                sorted   digests of access tokens by since when they are; older mxisd made none
--   terms:<user ID>                    hash     URL -> when it was accepted
--   transactions                       sorted   "<digest> <transaction ID>" by when they were done
--   cooldowns                          sorted   names of what may happen once in a while, by when it may happen again
--   bucket:<name>                               when a token bucket is full again; expires then
--   copied                             hash     how far a copy from another engine has come
--   signing-keys                                the content of a file of signing keys
--   respelling                                  exists until addresses of schema 2 are in their canonical form
--   schema                                      the version of all this: 4
--
-- Schema 1 called the field `user_id` of invites and deliveries `mxid`, and the key `cooldowns` `occasions`.  The key
-- is renamed when a newer mxisd first connects (upgrade.lua).  Invites and deliveries are not rewritten, since that would
-- block Redis; both names are read (records.py).  Schema 2 had domains of email addresses in folded case instead of
-- A-labels, and hashes of one spelling only: both are mended in small steps by whoever starts first (respelling.py).
-- It kept client secrets and tokens of sessions instead of digests; such sessions can still be validated, and go away
-- within a week.  Its transactions had no digests, and are forgotten (upgrade.lua).
--
-- Schema 3 had no signatures in its invites, and nothing in given-of: nothing is to be done for that.
--
-- Optional arguments are '' if they are missing.  Values that are joined with spaces have no spaces in them, except
-- perhaps the last one.

local call = redis.call

local function key(...)
    return PREFIX .. table.concat({...}, ':')
end

local function due_member(address, medium, token)
    return address .. ' ' .. medium .. ' ' .. token
end

-- Each kind has lanes for the turns of its deliveries, whose first is called by the kind alone.
local TURNS = 63

local function lane_of(kind, turn)
    turn = tonumber(turn or 0)
    return turn > 0 and string.format('%s+%d', kind, turn) or kind
end

-- The queue of a destination has changed: note when its next delivery is due.
local function note_due(lane, destination)
    local first = call('ZRANGE', key('queue', lane, destination), 0, 0, 'WITHSCORES')
    if first[2] then
        call('ZADD', key('queues', lane), first[2], destination)
    else
        call('ZREM', key('queues', lane), destination)
    end
end

-- Where it is counted what is queued of users of one homeserver.
local function waiting_of(kind, destination, sender)
    return key('waiting', kind, string.match(sender, ':(.*)$') or '', destination)
end

-- Put a delivery into its queue.  It comes in a later turn the more is queued to its destination of the same sender, or
-- of others of that sender's homeserver, four of whom count as one.
local function enqueue(id, kind, destination, token, due)
    local delivery, turn = key('delivery', id), 0
    local sender = token ~= '' and call('HGET', key('invite', token), 'sender')
    if sender then
        local waiting = waiting_of(kind, destination, sender)
        local own = tonumber(call('HGET', waiting, sender) or 0)
        local others = call('HLEN', waiting) - (own > 0 and 1 or 0)
        turn = math.min(TURNS, math.max(own, math.floor(others / 4)))
        call('HINCRBY', waiting, sender, 1)
        call('HSET', delivery, 'sender', sender, 'turn', turn)
    end
    local lane = lane_of(kind, turn)
    call('ZADD', key('queue', lane, destination), due, id)
    note_due(lane, destination)
end

-- Queue a delivery that is due at `now`; token and user_id may be ''.
local function queue(kind, destination, medium, address, token, user_id, now)
    -- All of the same length, so that comparing IDs as texts gives the order of the numbers.
    local id = string.format('%016d', call('INCR', key('deliveries')))
    local delivery = key('delivery', id)
    call('HSET', delivery, 'id', id, 'kind', kind, 'destination', destination, 'medium', medium, 'address', address,
        'created', now, 'due', now, 'state', 'queued', 'attempts', 0, 'lost', 0, 'errors', 0)
    if user_id ~= '' then
        call('HSET', delivery, 'user_id', user_id)
    end
    if token ~= '' then
        call('HSET', delivery, 'token', token)
        local known = call('HGET', key('invite', token), 'deliveries')
        call('HSET', key('invite', token), 'deliveries', known and known .. ' ' .. id or id)
    end
    enqueue(id, kind, destination, token, now)
end

-- The IDs of the deliveries about an invite, as an iterator.
local function deliveries_of(token)
    return string.gmatch(call('HGET', key('invite', token), 'deliveries') or '', '%S+')
end

-- Finish a queued delivery.  One without an invite is deleted, since no history shows it.
local function settle(id, state, answer, now)
    local delivery = key('delivery', id)
    local kind, destination, token, sender, turn =
        unpack(call('HMGET', delivery, 'kind', 'destination', 'token', 'sender', 'turn'))
    if token then
        call('HSET', delivery, 'state', state, 'answer', answer, 'due', now)
        call('HDEL', delivery, 'claimed')
    else
        call('DEL', delivery)
    end
    local lane = lane_of(kind, turn)
    call('ZREM', key('queue', lane, destination), id)
    note_due(lane, destination)
    if sender then
        local waiting = waiting_of(kind, destination, sender)
        if call('HINCRBY', waiting, sender, -1) <= 0 then
            call('HDEL', waiting, sender)
        end
    end
end

-- The fields of the session of a secret digest, if it is alive.
local function living_session(digest, since, max_guesses)
    local known = call('GET', key('session-of', digest))
    local session = known and key('session', known)
    local modified, guesses = unpack(session and call('HMGET', session, 'modified', 'guesses') or {})
    if modified and tonumber(modified) >= tonumber(since) and tonumber(guesses) < tonumber(max_guesses) then
        return call('HGETALL', session)
    end
end

local function sessions_of(medium, address)
    return key('sessions-of', redis.sha1hex(medium .. ' ' .. address))
end

-- Since when an access token is, and whose; nothing if it is not known.
local function token_of(digest)
    local kept = call('HGET', key('tokens'), digest)
    if kept then
        return string.match(kept, '^(%S*) (.*)$')
    end
end

-- Returns how many tokens were forgotten by it: one, or none.
local function forget_token(digest)
    local _, user_id = token_of(digest)
    if user_id then
        call('ZREM', key('tokens-of', user_id), digest)
    end
    return call('HDEL', key('tokens'), digest)
end

-- Add an invite to all indexes.
local function index_invite(token)
    local medium, address, room, sender, created, due, public_key, ended_at = unpack(call('HMGET', key('invite', token),
        'medium', 'address', 'room_id', 'sender', 'created', 'due', 'ephemeral_public_key', 'ended_at'))
    call('HSET', key('ephemeral'), public_key, token)
    if ended_at then
        call('ZADD', key('ended'), ended_at, token)
    else
        call('HSET', key('invites-of', medium, address), sender .. ' ' .. room, token)
        call('ZADD', key('pending'), created, token)
        call('ZADD', key('due'), due, due_member(address, medium, token))
    end
end

-- For whom an invite was signed, and when: a table.
local function signed_by(token)
    return cjson.decode(call('HGET', key('invite', token), 'signed_by') or '{}')
end

-- Abandon the messages about an invite that are still queued.
local function abandon_messages(token, why, now)
    for id in deliveries_of(token) do
        local kind, state = unpack(call('HMGET', key('delivery', id), 'kind', 'state'))
        if kind ~= 'onbind' and state == 'queued' then
            settle(id, 'abandoned', why, now)
        end
    end
end

-- End a pending invite; user_id and destination may be ''.  If there is a destination, an onbind is queued, due at `due`;
-- but not for a user for whom it was signed, nor for its sender.  Returns how it has ended.
local function end_invite(token, how, user_id, destination, now, due)
    local invite = key('invite', token)
    local medium, address, room, sender = unpack(call('HMGET', invite, 'medium', 'address', 'room_id', 'sender'))
    if user_id == sender or signed_by(token)[user_id] then
        how, destination = 'accepted', ''
    end
    call('HSET', invite, 'ended', how, 'ended_at', now, 'ephemeral_private_key', '')
    if user_id ~= '' then
        call('HSET', invite, 'user_id', user_id)
    end
    call('HDEL', key('invites-of', medium, address), sender .. ' ' .. room)
    call('ZREM', key('due'), due_member(address, medium, token))
    call('ZREM', key('pending'), token)
    call('ZADD', key('ended'), now, token)
    if how == 'resolved' then
        call('HSET', key('given-of', medium, address), sender .. ' ' .. room, token)
    end
    abandon_messages(token, 'the invite has ended: ' .. how, now)
    if destination ~= '' then
        queue('onbind', destination, medium, address, token, user_id, due)
    end
    return how
end

-- The peppers under which bindings are indexed, as "<made at> <pepper>": those in use, and the prepared one last.
local function peppers()
    local all = call('LRANGE', key('peppers'), 0, -1)
    all[#all + 1] = call('GET', key('prepared')) or nil
    return all
end

local function pepper_of(entry)
    return string.match(entry, ' (.*)$')
end

local function has_pepper(entries, pepper)
    for _, entry in ipairs(entries) do
        if pepper_of(entry) == pepper then
            return true
        end
    end
    return false
end

-- Whether a source is one of those that can be listed.
local function lists(source)
    for _, name in ipairs(call('LRANGE', key('sources'), 0, -1)) do
        if name == source then
            return true
        end
    end
    return false
end

-- Whether the arguments from `first` on are a pepper and its digests in turn, for exactly these peppers.
local function are_current(entries, first)
    if #ARGV - first + 1 ~= 2 * #entries then
        return false
    end
    for i, entry in ipairs(entries) do
        if ARGV[first + 2 * (i - 1)] ~= pepper_of(entry) then
            return false
        end
    end
    return true
end

-- UNLINK frees the memory of perhaps millions of hashes in the background.
local function forget_pepper(entry)
    local pepper = pepper_of(entry)
    call('UNLINK', key('hashes', pepper))
    for _, source in ipairs(call('LRANGE', key('sources'), 0, -1)) do
        call('UNLINK', key('hashes', pepper, source))
    end
end
