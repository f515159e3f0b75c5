-- Write an invite that is copied from another engine.  Arguments: token, and the fields of the invite.
local token = ARGV[1]
call('HSET', key('invite', token), unpack(ARGV, 2))
index_invite(token)
