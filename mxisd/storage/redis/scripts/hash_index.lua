-- Index some bindings under the pepper that is being prepared.
-- Arguments: pepper, timeout in ms, and for each binding: "<medium> <address>", digest.
-- Returns 0 if another process has taken over.
local pepper, timeout = ARGV[1], ARGV[2]
local prepared = call('GET', key('prepared'))
if not prepared or pepper_of(prepared) ~= pepper then
    return 0
end
for i = 3, #ARGV, 2 do
    -- The address may have been unbound, or bound to another user, since its name was read.
    local value = call('HGET', key('bindings'), ARGV[i])
    if value then
        call('HSET', key('hashes', pepper), ARGV[i + 1], string.match(value, '^%S*'))
    end
end
call('SET', key('preparing'), pepper, 'PX', timeout)
return 1
