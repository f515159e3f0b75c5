-- Lay by a part of what a source is going to list under a pepper.
-- Arguments: what to lay it by as, pepper, ms of patience, and digests and user IDs in turn.
local staged, pepper, patience = key('staged', ARGV[1]), ARGV[2], ARGV[3]
call('HSET', staged, unpack(ARGV, 4))
call('PEXPIRE', staged, patience)
if call('GET', key('preparing')) == pepper then
    call('PEXPIRE', key('preparing'), patience)
end
