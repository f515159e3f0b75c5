-- Make the prepared pepper the current one, and delete all but the newest.  Arguments: pepper, how many to keep.
-- Returns 0 if it is not prepared.
local pepper, keep = ARGV[1], ARGV[2]
local prepared = call('GET', key('prepared'))
if not prepared or pepper_of(prepared) ~= pepper then
    return 0
end
call('DEL', key('prepared'), key('preparing'))
call('LPUSH', key('peppers'), prepared)
for _, stale in ipairs(call('LRANGE', key('peppers'), keep, -1)) do
    forget_pepper(stale)
end
call('LTRIM', key('peppers'), 0, keep - 1)
return 1
