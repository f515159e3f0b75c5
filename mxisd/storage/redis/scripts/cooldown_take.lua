-- Arguments: name, now, period.  Returns whether it may happen now.
local name, now, period = unpack(ARGV)
local ends = call('ZSCORE', key('cooldowns'), name)
if ends and tonumber(ends) > tonumber(now) then
    return 0
end
call('ZADD', key('cooldowns'), now + period, name)
return 1
