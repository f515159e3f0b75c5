-- Have a source list more under a pepper.  Arguments: source, pepper, and digests and user IDs in turn.
local source, pepper = ARGV[1], ARGV[2]
if lists(source) and has_pepper(peppers(), pepper) then
    call('HSET', key('hashes', pepper, source), unpack(ARGV, 3))
end
