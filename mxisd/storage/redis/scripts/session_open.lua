-- Arguments: secret digest, alive since, guesses allowed, ms until it is deleted, how many sessions of an address are
-- kept, and the fields of the session.
-- Returns the living session of the same digest if there is one; otherwise the new one is kept.
local digest, alive_since, max_guesses, remember, most = unpack(ARGV, 1, 5)
local known = living_session(digest, alive_since, max_guesses)
if known then
    return known
end
local sid = ARGV[7] -- the first field is the sid
local session = key('session', sid)
call('HSET', session, unpack(ARGV, 6))
call('PEXPIRE', session, remember)
call('SET', key('session-of', digest), sid, 'PX', remember)
local medium, address, modified = unpack(call('HMGET', session, 'medium', 'address', 'modified'))
local of_address = sessions_of(medium, address)
call('ZADD', of_address, modified, sid)
call('PEXPIRE', of_address, remember)
for _, oldest in ipairs(call('ZRANGE', of_address, 0, -tonumber(most) - 1)) do
    call('DEL', key('session', oldest))
    call('ZREM', of_address, oldest)
end
