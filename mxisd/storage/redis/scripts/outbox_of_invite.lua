-- Argument: token.  Returns all deliveries about an invite, the oldest first.
local deliveries = {}
for id in deliveries_of(ARGV[1]) do
    deliveries[#deliveries + 1] = call('HGETALL', key('delivery', id))
end
return deliveries
