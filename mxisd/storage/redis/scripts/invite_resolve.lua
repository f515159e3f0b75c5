-- Arguments: now, then medium, address, user ID and destination in turn.  Returns the ended invites.
local now, ended = ARGV[1], {}
for i = 2, #ARGV, 4 do
    local medium, address, user_id, destination = unpack(ARGV, i, i + 3)
    for _, token in ipairs(call('HVALS', key('invites-of', medium, address))) do
        end_invite(token, 'resolved', user_id, destination, now, now)
        ended[#ended + 1] = call('HGETALL', key('invite', token))
    end
end
return ended
