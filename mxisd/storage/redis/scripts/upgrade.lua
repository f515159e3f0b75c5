-- Bring the data of an older mxisd to the current schema.  Argument: the version of that.  Whoever comes second finds
-- nothing to do.
if call('EXISTS', key('occasions')) == 1 then
    call('RENAME', key('occasions'), key('cooldowns'))
end
call('SET', key('schema'), ARGV[1])
