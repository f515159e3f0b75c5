-- Arguments: pepper, and digests.  Returns a user ID for each digest, '' if there is none; nil if the pepper is not in use.
local pepper = ARGV[1]
if not has_pepper(call('LRANGE', key('peppers'), 0, -1), pepper) then
    return nil
end
-- In order of priority.
local indexes = {key('hashes', pepper)}
for _, source in ipairs(call('LRANGE', key('sources'), 0, -1)) do
    local index = key('hashes', pepper, source)
    if call('EXISTS', index) == 1 then
        indexes[#indexes + 1] = index
    end
end
local found = {}
for first = 2, #ARGV, 1000 do
    local last = math.min(first + 999, #ARGV)
    for _, index in ipairs(indexes) do
        for i, user in ipairs(call('HMGET', index, unpack(ARGV, first, last))) do
            local place = first - 2 + i
            found[place] = found[place] or user
        end
    end
end
for i = 1, #found do
    found[i] = found[i] or ''
end
return found
