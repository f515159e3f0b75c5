-- Delete invites that ended before a time and have nothing queued.  Arguments: that time, how many to skip, and how
-- many to check.  Returns how many were checked, and how many of them deleted.
local before, offset, limit = unpack(ARGV)
local tokens = call('ZRANGEBYSCORE', key('ended'), '-inf', '(' .. before, 'LIMIT', offset, limit)
local deleted = 0
for _, token in ipairs(tokens) do
    local invite, deliveries, queued = key('invite', token), {}, false
    for id in deliveries_of(token) do
        deliveries[#deliveries + 1] = key('delivery', id)
        queued = queued or call('HGET', key('delivery', id), 'state') == 'queued'
    end
    if not queued then
        call('HDEL', key('ephemeral'), call('HGET', invite, 'ephemeral_public_key'))
        call('ZREM', key('ended'), token)
        local medium, address, room, sender = unpack(call('HMGET', invite, 'medium', 'address', 'room_id', 'sender'))
        local given = key('given-of', medium, address)
        if call('HGET', given, sender .. ' ' .. room) == token then
            call('HDEL', given, sender .. ' ' .. room)
        end
        call('DEL', invite, unpack(deliveries))
        deleted = deleted + 1
    end
end
return {#tokens, deleted}
