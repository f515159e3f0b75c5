-- Arguments: occasion, now, period.  Returns whether it may happen now.
local occasion, now, period = unpack(ARGV)
local taken = call('ZSCORE', key('occasions'), occasion)
if taken and tonumber(taken) > tonumber(now) then
    return 0
end
call('ZADD', key('occasions'), now + period, occasion)
return 1
