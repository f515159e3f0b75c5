-- Arguments: secret digest, alive since, guesses allowed, ms until it is deleted, and the fields
-- of the session.
-- Returns the living session of the same digest if there is one; otherwise the new one is kept.
local digest, alive_since, max_guesses, remember = unpack(ARGV, 1, 4)
local known = living_session(digest, alive_since, max_guesses)
if known then
    return known
end
local sid = ARGV[6] -- the first field is the sid
local session = key('session', sid)
call('HSET', session, unpack(ARGV, 5))
call('PEXPIRE', session, remember)
call('SET', key('session-of', digest), sid, 'PX', remember)
