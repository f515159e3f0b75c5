-- Arguments: medium, address, user ID, bound at, signed, destination, and for each pepper in use: pepper, digests (of all
-- spellings of the address, with spaces between them).
-- Returns the peppers in use if they are others than these; otherwise a list that contains the list of ended invites.
local medium, address, user_id, bound_at, signed, destination = unpack(ARGV, 1, 6)
local all = peppers()
if not are_current(all, 7) then
    return all
end
call('HSET', key('bindings'), medium .. ' ' .. address, user_id .. ' ' .. bound_at .. ' ' .. signed)
for i = 7, #ARGV, 2 do
    for digest in string.gmatch(ARGV[i + 1], '%S+') do
        call('HSET', key('hashes', ARGV[i]), digest, user_id)
    end
end
local tokens = call('HVALS', key('invites-of', medium, address))
local ended, told = {}, false
for i, token in ipairs(tokens) do
    told = end_invite(token, 'bound', user_id, destination, bound_at, bound_at) == 'bound' or told
    ended[i] = call('HGETALL', key('invite', token))
end
if not told then
    queue('onbind', destination, medium, address, '', user_id, bound_at)
end
return {ended}
