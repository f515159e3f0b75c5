-- Set the list of sources and their order.  Arguments: their names.
local named = {}
for _, source in ipairs(ARGV) do
    named[source] = true
end
for _, source in ipairs(call('LRANGE', key('sources'), 0, -1)) do
    if not named[source] then
        for _, entry in ipairs(peppers()) do
            call('UNLINK', key('hashes', pepper_of(entry), source))
        end
    end
end
call('DEL', key('sources'))
if #ARGV > 0 then
    call('RPUSH', key('sources'), unpack(ARGV))
end
