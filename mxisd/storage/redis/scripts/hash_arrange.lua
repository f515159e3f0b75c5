-- Let there be these identity stores that are listed, in this order, and forget what others have listed.
-- Arguments: their names.
local arranged = {}
call('DEL', key('stores'))
for _, source in ipairs(ARGV) do
    arranged[source] = true
    call('RPUSH', key('stores'), source)
end
for _, entry in ipairs((peppers())) do
    local pepper = pepper_of(entry)
    for _, source in ipairs(call('SMEMBERS', key('sources', pepper))) do
        if not arranged[source] then
            call('UNLINK', key('hashes', pepper, source))
            call('SREM', key('sources', pepper), source)
        end
    end
end
