-- Arguments: kinds.  Returns, of each of which something is queued, the kind, how much it is, and when the first is due.
local found = {}
for _, kind in ipairs(ARGV) do
    local destinations = call('ZRANGE', key('queues', kind), 0, -1)
    if destinations[1] then
        local number = 0
        for _, destination in ipairs(destinations) do
            number = number + call('ZCARD', key('queue', kind, destination))
        end
        local first = call('ZRANGE', key('queues', kind), 0, 0, 'WITHSCORES')
        found[#found + 1] = {kind, number, first[2]}
    end
end
return found
