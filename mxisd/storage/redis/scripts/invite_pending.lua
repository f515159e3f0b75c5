-- Arguments: medium, address.  Returns the pending invites of an address.
local invites = call('HVALS', key('invites-of', ARGV[1], ARGV[2]))
for i, token in ipairs(invites) do
    invites[i] = call('HGETALL', key('invite', token))
end
return invites
