-- Replace what a source lists under a pepper by a staged list.  Arguments: name of the staged list, pepper, source.
local staged, pepper, source = key('staged', ARGV[1]), ARGV[2], ARGV[3]
if not lists(source) or not has_pepper(peppers(), pepper) then
    call('UNLINK', staged)
    return
end
local index = key('hashes', pepper, source)
call('UNLINK', index)
if call('EXISTS', staged) == 1 then
    call('RENAME', staged, index)
    call('PERSIST', index)
end
