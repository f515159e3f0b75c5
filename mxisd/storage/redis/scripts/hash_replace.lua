-- Make what was laid by all that a store lists under a pepper.
-- Arguments: the name under which it was laid by, pepper, source, ms to live if the pepper is still being prepared.
local staged, pepper, source, life = key('staged', ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local all, filling = peppers()
if not has_pepper(all, pepper) or not is_arranged(source) then
    call('UNLINK', staged)
    return
end
local index, sources = key('hashes', pepper, source), key('sources', pepper)
call('UNLINK', index)
if call('EXISTS', staged) == 1 then
    call('RENAME', staged, index)
    call('SADD', sources, source)
else
    call('SREM', sources, source)
end
if filling and pepper_of(filling) == pepper then
    for _, name in ipairs({index, sources, key('filling'), key('hashes', pepper)}) do
        call('PEXPIRE', name, life)
    end
else
    call('PERSIST', index)
end
