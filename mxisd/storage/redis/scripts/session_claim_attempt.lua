-- Arguments: sid, attempt, and the next link if there is one.  Returns whether the attempt is higher than all before.
local session, attempt, next_link = key('session', ARGV[1]), ARGV[2], ARGV[3]
local last = call('HGET', session, 'send_attempt')
if not last or tonumber(attempt) <= tonumber(last) then
    return 0
end
call('HSET', session, 'send_attempt', attempt)
if next_link then
    call('HSET', session, 'next_link', next_link)
else
    call('HDEL', session, 'next_link')
end
return 1
