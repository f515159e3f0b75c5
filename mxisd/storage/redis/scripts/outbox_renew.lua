-- Extend leases.  Arguments: until when, and IDs and attempts of claims in turn.
local till = ARGV[1]
for i = 2, #ARGV, 2 do
    local delivery = key('delivery', ARGV[i])
    local kind, destination, attempts, claimed, due, turn =
        unpack(call('HMGET', delivery, 'kind', 'destination', 'attempts', 'claimed', 'due', 'turn'))
    if claimed and attempts == ARGV[i + 1] and tonumber(due) < tonumber(till) then
        call('HSET', delivery, 'due', till)
        local lane = lane_of(kind, turn)
        call('ZADD', key('queue', lane, destination), till, ARGV[i])
        note_due(lane, destination)
    end
end
