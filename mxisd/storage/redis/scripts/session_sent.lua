-- The message of an attempt was sent.  Arguments: sid, attempt.
local session, attempt = key('session', ARGV[1]), ARGV[2]
local last = call('HGET', session, 'send_attempt')
if last and tonumber(attempt) > tonumber(last) then
    call('HSET', session, 'send_attempt', attempt)
end
