-- Arguments: kind, now, lease in ms, how many, how many for a destination, and destinations in turn with how many are
-- under way to them.
-- Returns the deliveries claimed, the longest due first; the invites that they are about; and when the next delivery is
-- due, '' if none is queued.
local kind, now, lease, limit, per_destination = unpack(ARGV, 1, 5)
limit = tonumber(limit)
local busy = {}
for i = 6, #ARGV, 2 do
    busy[ARGV[i]] = tonumber(ARGV[i + 1])
end

-- It is enough to look at `limit` destinations with room, the longest due first: each has a delivery that is due before
-- all deliveries of the destinations after it.
local candidates, destinations, offset = {}, 0, 0
while destinations < limit do
    local some = call('ZRANGEBYSCORE', key('queues', kind), '-inf', now, 'LIMIT', offset, 100)
    for _, destination in ipairs(some) do
        local room = math.min(limit, per_destination - (busy[destination] or 0))
        if room > 0 and destinations < limit then
            destinations = destinations + 1
            local queue = key('queue', kind, destination)
            local due = call('ZRANGEBYSCORE', queue, '-inf', now, 'WITHSCORES', 'LIMIT', 0, room)
            for i = 1, #due, 2 do
                candidates[#candidates + 1] = {id = due[i], due = tonumber(due[i + 1]), destination = destination}
            end
        end
    end
    if #some < 100 then
        break
    end
    offset = offset + 100
end
table.sort(candidates, function(a, b)
    return a.due < b.due or a.due == b.due and a.id < b.id
end)

local claimed, invites, seen = {}, {}, {}
for i = 1, math.min(limit, #candidates) do
    local id, destination = candidates[i].id, candidates[i].destination
    local delivery = key('delivery', id)
    call('HINCRBY', delivery, 'attempts', 1)
    if call('HSET', delivery, 'claimed', 1) == 0 then
        -- The lease of an earlier claim has expired.
        call('HINCRBY', delivery, 'lost', 1)
    end
    call('HSET', delivery, 'due', now + lease)
    call('ZADD', key('queue', kind, destination), now + lease, id)
    note_due(kind, destination)
    claimed[i] = call('HGETALL', delivery)
    local token = call('HGET', delivery, 'token')
    local invite = token and not seen[token] and call('HGETALL', key('invite', token)) or {}
    if #invite > 0 then
        seen[token] = true
        invites[#invites + 1] = invite
    end
end
local first = call('ZRANGE', key('queues', kind), 0, 0, 'WITHSCORES')
return {claimed, invites, first[2] or ''}
