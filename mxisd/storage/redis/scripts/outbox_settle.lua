-- Record the outcome of a claimed attempt.  Arguments: ID, attempts, state, due or now, answer, and the name of a
-- counter to raise or ''.  Returns 0 if another process has claimed the delivery since.
local id, attempts, state, due, answer, counter = unpack(ARGV)
local delivery = key('delivery', id)
local kind, destination, claimed, attempt, turn =
    unpack(call('HMGET', delivery, 'kind', 'destination', 'claimed', 'attempts', 'turn'))
if not claimed or attempt ~= attempts then
    return 0
end
if counter ~= '' then
    call('HINCRBY', delivery, counter, 1)
end
if state == 'queued' then
    call('HDEL', delivery, 'claimed')
    call('HSET', delivery, 'due', due, 'answer', answer)
    local lane = lane_of(kind, turn)
    call('ZADD', key('queue', lane, destination), due, id)
    note_due(lane, destination)
else
    settle(id, state, answer, due)
end
return 1
