-- Note that an invite is signed for a user.  Arguments: token, user ID, now, for how many others it may be signed.
-- Returns the invite; nil if there is none, or if it is signed for too many.
local token, user_id, now, limit = unpack(ARGV)
local invite = key('invite', token)
if call('EXISTS', invite) == 0 then
    return nil
end
local signed, others = signed_by(token), 0
for signer in pairs(signed) do
    if signer ~= user_id then
        others = others + 1
    end
end
if others >= tonumber(limit) then
    return nil
end
signed[user_id] = tonumber(now)
call('HSET', invite, 'signed_by', cjson.encode(signed))
abandon_messages(token, 'the invite was signed for ' .. user_id, now)
return call('HGETALL', invite)
