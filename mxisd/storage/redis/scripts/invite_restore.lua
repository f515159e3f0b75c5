-- Put back an invite from another store.  Arguments: token, and the fields of the invite.
local token = ARGV[1]
call('HSET', key('invite', token), unpack(ARGV, 2))
index_invite(token)
