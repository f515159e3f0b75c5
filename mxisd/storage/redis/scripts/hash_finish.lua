-- Make the pepper whose index is complete the current one, and forget all but the newest.
-- Arguments: made at, pepper, how many to keep.  Returns 0 if someone else took over.
local entry, keep = ARGV[1] .. ' ' .. ARGV[2], ARGV[3]
if call('GET', key('filling')) ~= entry then
    return 0
end
call('DEL', key('filling'))
call('PERSIST', key('hashes', ARGV[2]))
call('LPUSH', key('peppers'), entry)
for _, stale in ipairs(call('LRANGE', key('peppers'), keep, -1)) do
    local pepper = pepper_of(stale)
    -- UNLINK frees the memory of what may be millions of hashes without holding up anyone.
    call('UNLINK', key('hashes', pepper))
    for _, source in ipairs(call('SMEMBERS', key('sources', pepper))) do
        call('UNLINK', key('hashes', pepper, source))
    end
    call('DEL', key('sources', pepper))
end
call('LTRIM', key('peppers'), 0, keep - 1)
return 1
