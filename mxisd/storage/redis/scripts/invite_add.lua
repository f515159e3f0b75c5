-- Arguments: token, medium, address, room, sender, created, resend before, when a reminder is due or '', the taker's user
-- ID, homeserver and when it is told (each '' if there is no taker), and the fields of the invite.
-- Returns the pending invite of the same address, room and sender if there is one, or the one that it has just been
-- given as; otherwise the new one is kept.  With a taker, it ends.
local token, medium, address, room, sender, created, resend_before, reminder_due = unpack(ARGV, 1, 8)
local user_id, destination, due = unpack(ARGV, 9, 11)
local known = call('HGET', key('invites-of', medium, address), sender .. ' ' .. room)
if not known then
    local given = call('HGET', key('given-of', medium, address), sender .. ' ' .. room)
    if given then
        local ended_at, to = unpack(call('HMGET', key('invite', given), 'ended_at', 'user_id'))
        if tonumber(ended_at) >= tonumber(resend_before) and (user_id == '' or user_id == to) then
            return call('HGETALL', key('invite', given))
        end
    end
    call('HSET', key('invite', token), unpack(ARGV, 12))
    index_invite(token)
end
if user_id ~= '' then
    end_invite(known or token, 'resolved', user_id, destination, created, due)
    return call('HGETALL', key('invite', known or token))
end
if known then
    local invite, new = key('invite', known), {}
    for i = 12, #ARGV, 2 do
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
queue('message', medium, medium, address, token, '', created)
if reminder_due ~= '' then
    queue('reminder', medium, medium, address, token, '', reminder_due)
end
