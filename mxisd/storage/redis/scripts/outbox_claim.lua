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

-- Turn by turn, until enough is found.  Of each it is enough to look at `limit` destinations with room, the longest due
-- first: each has a delivery that is due before all deliveries of the destinations after it.
local candidates = {}
for turn = 0, TURNS do
    local lane, found, destinations, offset = lane_of(kind, turn), {}, 0, 0
    while #candidates < limit and destinations < limit do
        local some = call('ZRANGEBYSCORE', key('queues', lane), '-inf', now, 'LIMIT', offset, 100)
        for _, destination in ipairs(some) do
            local room = math.min(limit, per_destination - (busy[destination] or 0))
            if room > 0 and destinations < limit then
                destinations = destinations + 1
                local queue = key('queue', lane, destination)
                local due = call('ZRANGEBYSCORE', queue, '-inf', now, 'WITHSCORES', 'LIMIT', 0, room)
                for i = 1, #due, 2 do
                    found[#found + 1] =
                        {id = due[i], due = tonumber(due[i + 1]), destination = destination, lane = lane}
                end
            end
        end
        if #some < 100 then
            break
        end
        offset = offset + 100
    end
    table.sort(found, function(a, b)
        return a.due < b.due or a.due == b.due and a.id < b.id
    end)
    for _, candidate in ipairs(found) do
        if #candidates < limit then
            candidates[#candidates + 1] = candidate
            busy[candidate.destination] = (busy[candidate.destination] or 0) + 1
        end
    end
end

local claimed, invites, seen = {}, {}, {}
for i = 1, #candidates do
    local id, destination, lane = candidates[i].id, candidates[i].destination, candidates[i].lane
    local delivery = key('delivery', id)
    call('HINCRBY', delivery, 'attempts', 1)
    if call('HSET', delivery, 'claimed', 1) == 0 then
        -- The lease of an earlier claim has expired.
        call('HINCRBY', delivery, 'lost', 1)
    end
    call('HSET', delivery, 'due', now + lease)
    call('ZADD', key('queue', lane, destination), now + lease, id)
    note_due(lane, destination)
    claimed[i] = call('HGETALL', delivery)
    local token = call('HGET', delivery, 'token')
    local invite = token and not seen[token] and call('HGETALL', key('invite', token)) or {}
    if #invite > 0 then
        seen[token] = true
        invites[#invites + 1] = invite
    end
end
local next_due = ''
for turn = 0, TURNS do
    local first = call('ZRANGE', key('queues', lane_of(kind, turn)), 0, 0, 'WITHSCORES')
    if first[2] and (next_due == '' or tonumber(first[2]) < tonumber(next_due)) then
        next_due = first[2]
    end
end
return {claimed, invites, next_due}
