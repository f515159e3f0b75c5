-- Bring the address of a session, an invite or a delivery to its canonical form.
-- Arguments: "session", "invite" or "delivery", its ID, the address as it was, and as it is to be.
-- Returns how many invites were cancelled, since a newer one is for the same address, room and sender.
local kind, id, old, new = unpack(ARGV)
local record = key(kind, id)
local medium, address = unpack(call('HMGET', record, 'medium', 'address'))
if address ~= old then
    return 0
end
local cancelled = 0
if kind == 'session' then
    local secret = call('HGET', record, 'client_secret')
    local was, index = key('session-of', medium, secret, old), key('session-of', medium, secret, new)
    if call('GET', was) == id and call('RENAMENX', was, index) == 0 then
        call('DEL', was)
    end
elseif kind == 'invite' and call('ZSCORE', key('pending'), id) then
    local room, sender, created = unpack(call('HMGET', record, 'room_id', 'sender', 'created'))
    local other = call('HGET', key('invites-of', medium, new), sender .. ' ' .. room)
    if other then
        local made = call('HGET', key('invite', other), 'created')
        local older = tonumber(made) < tonumber(created) and other or id
        end_invite(older, 'cancelled', '', '', older == id and created or made)
        cancelled = 1
    end
    if call('ZSCORE', key('pending'), id) then
        call('HDEL', key('invites-of', medium, old), sender .. ' ' .. room)
        call('ZREM', key('due'), due_member(old, medium, id))
        call('HSET', record, 'address', new)
        index_invite(id)
    end
end
call('HSET', record, 'address', new)
return cancelled
