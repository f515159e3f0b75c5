-- Arguments: token, medium, address, room, sender, created, due, public key, resend before, when a reminder is due or
-- '', and the fields of the invite.
-- Returns the pending invite of the same address, room and sender if there is one; otherwise the new one is kept.
local token, medium, address, room, sender, created, due, public_key, resend_before, reminder_due =
    unpack(ARGV, 1, 10)
local siblings, place = key('invites-of', medium, address), sender .. ' ' .. room
local known = call('HGET', siblings, place)
if known then
    local invite = key('invite', known)
    local remind = tonumber(call('HGET', invite, 'notified_at') or 0) < tonumber(resend_before)
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
call('HSET', key('invite', token), unpack(ARGV, 11))
call('HSET', siblings, place, token)
call('HSET', key('ephemeral'), public_key, token)
call('ZADD', key('pending'), created, token)
call('ZADD', key('due'), due, due_member(address, medium, token))
queue('message', medium, medium, address, token, '', created)
if reminder_due ~= '' then
    queue('reminder', medium, medium, address, token, '', reminder_due)
end
