-- Write a delivery that is copied from another engine.  Arguments: ID, token or '', and the fields of the delivery.
local id, token = ARGV[1], ARGV[2]
local delivery = key('delivery', id)
call('HSET', delivery, unpack(ARGV, 3))
local kind, destination, due, state = unpack(call('HMGET', delivery, 'kind', 'destination', 'due', 'state'))
-- A copy that was interrupted may write the same ones again.
local turn = call('HGET', delivery, 'turn')
if state == 'queued' and not call('ZSCORE', key('queue', lane_of(kind, turn), destination), id) then
    enqueue(id, kind, destination, token, due)
end
if token ~= '' then
    local ids = {id}
    for known in deliveries_of(token) do
        if known ~= id then
            ids[#ids + 1] = known
        end
    end
    table.sort(ids)
    call('HSET', key('invite', token), 'deliveries', table.concat(ids, ' '))
end
if tonumber(id) > tonumber(call('GET', key('deliveries')) or 0) then
    call('SET', key('deliveries'), string.format('%d', id))
end
