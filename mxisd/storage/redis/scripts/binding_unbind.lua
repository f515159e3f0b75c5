-- Arguments: medium, address, user ID, and for each pepper in use: pepper, digests.
-- Returns the peppers in use if they are others than these; otherwise whether there was a binding to this user.
local field, user_id = ARGV[1] .. ' ' .. ARGV[2], ARGV[3]
local all = peppers()
if not are_current(all, 4) then
    return all
end
local value = call('HGET', key('bindings'), field)
if not value or string.match(value, '^%S*') ~= user_id then
    return 0
end
call('HDEL', key('bindings'), field)
for i = 4, #ARGV, 2 do
    for digest in string.gmatch(ARGV[i + 1], '%S+') do
        call('HDEL', key('hashes', ARGV[i]), digest)
    end
end
return 1
