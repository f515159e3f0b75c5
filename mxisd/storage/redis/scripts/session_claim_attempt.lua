-- Arguments: sid, attempt, token digest, how many of these are kept, and the next link if there is one.
-- Returns whether the attempt is higher than all before.
local session, attempt, digest, kept, next_link = key('session', ARGV[1]), unpack(ARGV, 2, 5)
local last = call('HGET', session, 'send_attempt')
if not last or tonumber(attempt) <= tonumber(last) then
    return 0
end
local digests = {digest}
for known in string.gmatch(call('HGET', session, 'token_digests') or '', '%S+') do
    if #digests < tonumber(kept) then
        digests[#digests + 1] = known
    end
end
call('HSET', session, 'send_attempt', attempt, 'token_digests', table.concat(digests, ' '))
if next_link then
    call('HSET', session, 'next_link', next_link)
else
    call('HDEL', session, 'next_link')
end
return 1
