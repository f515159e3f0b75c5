-- Arguments: pepper, and digests.  Returns digests and user IDs in turn; nil if the pepper is not in use.
local pepper = ARGV[1]
if not has_pepper(call('LRANGE', key('peppers'), 0, -1), pepper) then
    return nil
end
-- In order of priority.
local indexes = {key('hashes', pepper)}
for i, source in ipairs(call('LRANGE', key('sources'), 0, -1)) do
    indexes[i + 1] = key('hashes', pepper, source)
end
local found = {}
for first = 2, #ARGV, 1000 do
    local digests = {unpack(ARGV, first, math.min(first + 999, #ARGV))}
    local users = {}
    for _, index in ipairs(indexes) do
        for i, user in ipairs(call('HMGET', index, unpack(digests))) do
            users[i] = users[i] or user
        end
    end
    for i, digest in ipairs(digests) do
        if users[i] then
            found[#found + 1] = digest
            found[#found + 1] = users[i]
        end
    end
end
return found
