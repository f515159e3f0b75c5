-- Arguments: sid, now, ms until it is deleted.
local session, now, remember = key('session', ARGV[1]), ARGV[2], ARGV[3]
local digest, guesses, validated = unpack(call('HMGET', session, 'secret_digest', 'guesses', 'validated_at'))
if not guesses then
    return
end
call('HSET', session, 'guesses', math.max(0, guesses - 1))
if not validated then
    call('HSET', session, 'validated_at', now, 'modified', now)
    call('PEXPIRE', session, remember)
    local of_address = sessions_of(unpack(call('HMGET', session, 'medium', 'address')))
    call('ZADD', of_address, now, ARGV[1])
    call('PEXPIRE', of_address, remember)
    if digest then
        call('PEXPIRE', key('session-of', digest), remember)
    end
end
