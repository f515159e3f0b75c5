-- Keep a token that is about to be sent.
-- Arguments: sid, token digest, how many of these are kept, and the next link if there is one.
local session, digest, kept, next_link = key('session', ARGV[1]), unpack(ARGV, 2, 4)
local known = call('HGET', session, 'token_digests')
if not known then
    return
end
local digests = {digest}
for each in string.gmatch(known, '%S+') do
    if #digests < tonumber(kept) then
        digests[#digests + 1] = each
    end
end
call('HSET', session, 'token_digests', table.concat(digests, ' '))
if next_link then
    call('HSET', session, 'next_link', next_link)
else
    call('HDEL', session, 'next_link')
end
