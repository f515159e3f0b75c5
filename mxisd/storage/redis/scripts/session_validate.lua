-- Arguments: sid, now, ms until it is deleted.
local session, now, remember = key('session', ARGV[1]), ARGV[2], ARGV[3]
local medium, secret, address, guesses, validated =
    unpack(call('HMGET', session, 'medium', 'client_secret', 'address', 'guesses', 'validated_at'))
if not medium then
    return
end
call('HSET', session, 'guesses', math.max(0, guesses - 1))
if not validated then
    call('HSET', session, 'validated_at', now, 'modified', now)
    call('PEXPIRE', session, remember)
    call('PEXPIRE', key('session-of', medium, secret, address), remember)
end
