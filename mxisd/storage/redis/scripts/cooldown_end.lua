-- End a cooldown.  Arguments: name, now.  Returns whether it was running.
local name, now = unpack(ARGV)
local ends = call('ZSCORE', key('cooldowns'), name)
if not ends or tonumber(ends) <= tonumber(now) then
    return 0
end
return call('ZREM', key('cooldowns'), name)
