-- Arguments: now, when they are due again, how many.  Returns invites that were due, the longest due first.
local now, next_due, limit = unpack(ARGV)
local invites = call('ZRANGEBYSCORE', key('due'), '-inf', now, 'LIMIT', 0, limit)
for i, member in ipairs(invites) do
    local invite = key('invite', string.match(member, '%S+$'))
    call('ZADD', key('due'), next_due, member)
    call('HSET', invite, 'due', next_due)
    invites[i] = call('HGETALL', invite)
end
return invites
