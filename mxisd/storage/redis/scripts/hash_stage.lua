-- Lay by a part of what a store lists.  Arguments: a name for the whole, ms to live, and digests and user IDs in turn.
local staged = key('staged', ARGV[1])
call('HSET', staged, unpack(ARGV, 3))
call('PEXPIRE', staged, ARGV[2])
