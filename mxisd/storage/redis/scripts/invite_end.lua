-- Arguments: token, how, user ID or '', destination or '', now.  Returns the ended invite; nil if it was not pending.
local token, how, user_id, destination, now = unpack(ARGV)
if not call('ZSCORE', key('pending'), token) then
    return nil
end
end_invite(token, how, user_id, destination, now, now)
return call('HGETALL', key('invite', token))
