-- Index some bindings under the pepper that is being prepared.
-- Arguments: made at, pepper, ms to live, and for each binding: "<medium> <address>", digest.
-- Returns 0 if someone else took over.
local filling, index, life = key('filling'), key('hashes', ARGV[2]), ARGV[3]
if call('GET', filling) ~= ARGV[1] .. ' ' .. ARGV[2] then
    return 0
end
for i = 4, #ARGV, 2 do
    -- It may have been unbound, or bound to someone else, since it was named.
    local value = call('HGET', key('bindings'), ARGV[i])
    if value then
        call('HSET', index, ARGV[i + 1], string.match(value, '^%S*'))
    end
end
call('PEXPIRE', filling, life)
call('PEXPIRE', index, life)
return 1
