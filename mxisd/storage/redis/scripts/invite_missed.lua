-- Count that remote sources did not know some addresses.  Arguments: tokens, and when to ask for each next, in turn.
for i = 1, #ARGV, 2 do
    local invite = key('invite', ARGV[i])
    if call('EXISTS', invite) == 1 then
        call('HSET', invite, 'remote_due', ARGV[i + 1])
        call('HINCRBY', invite, 'remote_misses', 1)
    end
end
