-- Index some bindings under the pepper that is being prepared.
-- Arguments: pepper, ms of patience, and for each binding: "<medium> <address>", digest.
-- Returns 0 if someone else has taken over.
local pepper, patience = ARGV[1], ARGV[2]
local prepared = call('GET', key('prepared'))
if not prepared or pepper_of(prepared) ~= pepper then
    return 0
end
for i = 3, #ARGV, 2 do
    -- It may have been unbound, or bound to someone else, since it was named.
    local value = call('HGET', key('bindings'), ARGV[i])
    if value then
        call('HSET', key('hashes', pepper), ARGV[i + 1], string.match(value, '^%S*'))
    end
end
call('SET', key('preparing'), pepper, 'PX', patience)
return 1
