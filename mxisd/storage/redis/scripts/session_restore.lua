-- Write a session that is copied from another engine.  Arguments: sid, ms until it is deleted, and the fields
-- of the session.
local sid, remember = ARGV[1], ARGV[2]
local session = key('session', sid)
call('HSET', session, unpack(ARGV, 3))
call('PEXPIRE', session, remember)
local medium, secret, address, modified = unpack(call('HMGET', session, 'medium', 'client_secret', 'address', 'modified'))
local index = key('session-of', medium, secret, address)
local known = call('GET', index)
local last = known and call('HGET', key('session', known), 'modified')
if not last or tonumber(last) <= tonumber(modified) then
    call('SET', index, sid, 'PX', remember)
end
