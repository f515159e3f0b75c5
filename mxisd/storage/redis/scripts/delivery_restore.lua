-- Write a delivery that is copied from another engine.  Arguments: ID, token or '', and the fields of the delivery.
local id, token = ARGV[1], ARGV[2]
local delivery = key('delivery', id)
call('HSET', delivery, unpack(ARGV, 3))
local kind, destination, due, state = unpack(call('HMGET', delivery, 'kind', 'destination', 'due', 'state'))
if state == 'queued' then
    call('ZADD', key('queue', kind, destination), due, id)
    note_due(kind, destination)
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
