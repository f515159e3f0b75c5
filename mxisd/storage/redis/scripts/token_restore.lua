-- Write access tokens that are copied from another engine.  Arguments: of each its digest, since when, and the user ID.
for i = 1, #ARGV, 3 do
    call('HSET', key('tokens'), ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[i + 2])
    call('ZADD', key('tokens-of', ARGV[i + 2]), ARGV[i + 1], ARGV[i])
end
