-- Arguments: digest of an access token, now, and before when it has to be from to be renewed.
local digest, now, before = unpack(ARGV)
local since, user_id = token_of(digest)
if since and tonumber(since) < tonumber(before) then
    call('HSET', key('tokens'), digest, now .. ' ' .. user_id)
    call('ZADD', key('tokens-of', user_id), now, digest)
end
