-- Arguments: digest of an access token, user ID, now, and how many tokens of a user are kept.
local digest, user_id, now, most = unpack(ARGV)
call('HSET', key('tokens'), digest, now .. ' ' .. user_id)
call('ZADD', key('tokens-of', user_id), now, digest)
for _, oldest in ipairs(call('ZRANGE', key('tokens-of', user_id), 0, -tonumber(most) - 1)) do
    forget_token(oldest)
end
