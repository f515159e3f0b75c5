-- Arguments: token, medium, address, room, sender, created, resend before, when a reminder is due or '', and the fields
-- of the invite.
-- Returns the pending invite of the same address, room and sender if there is one; otherwise the new one is kept.
local token, medium, address, room, sender, created, resend_before, reminder_due = unpack(ARGV, 1, 8)
local known = call('HGET', key('invites-of', medium, address), sender .. ' ' .. room)
if known then
    local invite, new = key('invite', known), {}
    for i = 9, #ARGV, 2 do
        new[ARGV[i]] = ARGV[i + 1]
    end
    local proves = new.proven == '1' and call('HGET', invite, 'proven') ~= '1'
    if proves then
        call('HSET', invite, 'proven', '1', 'fields', new.fields)
    end
    local remind = proves or tonumber(call('HGET', invite, 'notified_at') or 0) < tonumber(resend_before)
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
call('HSET', key('invite', token), unpack(ARGV, 9))
index_invite(token)
queue('message', medium, medium, address, token, '', created)
if reminder_due ~= '' then
    queue('reminder', medium, medium, address, token, '', reminder_due)
end
