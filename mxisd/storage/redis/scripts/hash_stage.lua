-- Add entries to a staged list, which is to replace what a source lists under a pepper.
-- Arguments: name of the staged list, pepper, timeout in ms, and digests and user IDs in turn.
local staged, pepper, timeout = key('staged', ARGV[1]), ARGV[2], ARGV[3]
call('HSET', staged, unpack(ARGV, 4))
call('PEXPIRE', staged, timeout)
if call('GET', key('preparing')) == pepper then
    call('PEXPIRE', key('preparing'), timeout)
end
