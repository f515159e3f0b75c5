-- Arguments: sid, attempt, and the one before it.
local session, attempt, previous = key('session', ARGV[1]), ARGV[2], ARGV[3]
if call('HGET', session, 'send_attempt') == attempt then
    call('HSET', session, 'send_attempt', previous)
end
