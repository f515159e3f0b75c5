-- Make what was laid by all that a store lists under a pepper.
-- Arguments: the name under which it was laid by, pepper, source.
local staged, pepper, source = key('staged', ARGV[1]), ARGV[2], ARGV[3]
if not has_pepper(peppers(), pepper) then
    call('UNLINK', staged)
    return
end
local index = key('hashes', pepper, source)
call('UNLINK', index)
if call('EXISTS', staged) == 1 then
    call('RENAME', staged, index)
    call('PERSIST', index)
    call('SADD', key('sources', pepper), source)
else
    call('SREM', key('sources', pepper), source)
end
