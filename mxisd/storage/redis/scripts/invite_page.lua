-- Arguments: "pending" or "ended", first, last.  Returns pending invites, oldest first, or ended ones, newest first.
local command = ARGV[1] == 'ended' and 'ZREVRANGE' or 'ZRANGE'
local invites = call(command, key(ARGV[1]), ARGV[2], ARGV[3])
for i, token in ipairs(invites) do
    invites[i] = call('HGETALL', key('invite', token))
end
return invites
