-- Bring a binding to the canonical form of its address.
-- Arguments: "<medium> <address>" as it was and as it is to be, and for each pepper in use: pepper, digests (the one of the
-- old form, and those of all spellings).
-- Returns the peppers in use if they are others than these; otherwise how many bindings gave way to a newer one.
local old, new = ARGV[1], ARGV[2]
local all = peppers()
if not are_current(all, 3) then
    return all
end
local kept = call('HGET', key('bindings'), old)
if not kept then
    return 0
end
local other = old ~= new and call('HGET', key('bindings'), new)
if other and tonumber(string.match(other, '^%S+ (%d+)')) >= tonumber(string.match(kept, '^%S+ (%d+)')) then
    kept = other
end
call('HDEL', key('bindings'), old)
call('HSET', key('bindings'), new, kept)
for i = 3, #ARGV, 2 do
    local index, was = key('hashes', ARGV[i]), string.match(ARGV[i + 1], '^%S+')
    call('HDEL', index, was)
    for digest in string.gmatch(string.sub(ARGV[i + 1], #was + 1), '%S+') do
        call('HSET', index, digest, string.match(kept, '^%S*'))
    end
end
return other and 1 or 0
