-- Upgrade the data of an older mxisd to the current schema.  Argument: its version.  Running it twice does no harm.
if call('EXISTS', key('occasions')) == 1 then
    call('RENAME', key('occasions'), key('cooldowns'))
end
-- Addresses are rewritten in many small steps (respelling.py).
call('SET', key('respelling'), 1)
call('SET', key('schema'), ARGV[1])
