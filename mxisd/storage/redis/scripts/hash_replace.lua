-- Replace what a source lists under a pepper by a staged list.  Arguments: name of the staged list, pepper, source.
local staged, pepper, source = key('staged', ARGV[1]), ARGV[2], ARGV[3]
local known = false
for _, name in ipairs(call('LRANGE', key('sources'), 0, -1)) do
    known = known or name == source
end
if not known or not has_pepper(peppers(), pepper) then
    call('UNLINK', staged)
    return
end
local index = key('hashes', pepper, source)
call('UNLINK', index)
if call('EXISTS', staged) == 1 then
    call('RENAME', staged, index)
    call('PERSIST', index)
end
