-- Remove from a sorted set what is below a score.  Arguments: the key, that score as ZRANGEBYSCORE takes it, and how many
-- to remove.  Returns how many were removed.
local members = call('ZRANGEBYSCORE', key(ARGV[1]), '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])
return #members == 0 and 0 or call('ZREM', key(ARGV[1]), unpack(members))
