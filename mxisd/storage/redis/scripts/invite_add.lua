-- Arguments: token, medium, address, room, sender, created, due, public key, remind before, and the fields of the invite.
-- Returns the pending invite of the same address, room and sender if there is one; otherwise the new one is kept.
local token, medium, address, room, sender, created, due, public_key, remind_before = unpack(ARGV, 1, 9)
local siblings, place = key('invites-of', medium, address), sender .. ' ' .. room
local known = call('HGET', siblings, place)
if known then
    local invite = key('invite', known)
    local remind = tonumber(call('HGET', invite, 'notified_at') or 0) < tonumber(remind_before)
    for id in deliveries_of(known) do
        local kind, state = unpack(call('HMGET', key('delivery', id), 'kind', 'state'))
        remind = remind and not (kind == 'message' and state == 'queued')
    end
    if remind then
        call('HSET', invite, 'notified_at', created)
        queue('message', medium, medium, address, known, '', created)
    end
    return call('HGETALL', invite)
end
call('HSET', key('invite', token), unpack(ARGV, 10))
call('HSET', siblings, place, token)
call('HSET', key('ephemeral'), public_key, token)
call('ZADD', key('pending'), created, token)
call('ZADD', key('due'), due, due_member(address, medium, token))
queue('message', medium, medium, address, token, '', created)
