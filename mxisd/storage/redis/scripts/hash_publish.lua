-- Make the pepper that was prepared the current one, and forget all but the newest.
-- Arguments: pepper, how many to keep.  Returns 0 if it is not being prepared.
local pepper, keep = ARGV[1], ARGV[2]
local entry = call('GET', key('filling'))
if not entry or pepper_of(entry) ~= pepper then
    return 0
end
call('DEL', key('filling'))
call('PERSIST', key('hashes', pepper))
call('PERSIST', key('sources', pepper))
for _, source in ipairs(call('SMEMBERS', key('sources', pepper))) do
    call('PERSIST', key('hashes', pepper, source))
end
call('LPUSH', key('peppers'), entry)
for _, stale in ipairs(call('LRANGE', key('peppers'), keep, -1)) do
    local old = pepper_of(stale)
    -- UNLINK frees the memory of what may be millions of hashes without holding up anyone.
    call('UNLINK', key('hashes', old))
    for _, source in ipairs(call('SMEMBERS', key('sources', old))) do
        call('UNLINK', key('hashes', old, source))
    end
    call('DEL', key('sources', old))
end
call('LTRIM', key('peppers'), 0, keep - 1)
return 1
