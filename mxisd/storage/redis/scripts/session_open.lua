-- Arguments: medium, client secret, address, alive since, guesses allowed, ms until it is deleted, and the fields
-- of the session.
-- Returns the living session of the same three if there is one; otherwise the new one is kept.
local medium, secret, address, alive_since, max_guesses, remember = unpack(ARGV, 1, 6)
local index = key('session-of', medium, secret, address)
local known = call('GET', index)
if known then
    local session = key('session', known)
    local modified, guesses = unpack(call('HMGET', session, 'modified', 'guesses'))
    if modified and tonumber(modified) >= tonumber(alive_since) and tonumber(guesses) < tonumber(max_guesses) then
        return call('HGETALL', session)
    end
end
local sid = ARGV[8] -- the first field is the sid
local session = key('session', sid)
call('HSET', session, unpack(ARGV, 7))
call('PEXPIRE', session, remember)
call('SET', index, sid, 'PX', remember)
