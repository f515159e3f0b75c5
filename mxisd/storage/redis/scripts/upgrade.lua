-- Upgrade the data of an older mxisd to the current schema.  Argument: its version.  Running it twice does no harm.
if call('EXISTS', key('occasions')) == 1 then
    call('RENAME', key('occasions'), key('cooldowns'))
end
if tonumber(call('GET', key('schema')) or 0) < 3 then
    call('DEL', key('transactions'))
    -- Addresses are rewritten in many small steps (respelling.py).
    call('SET', key('respelling'), 1)
end
call('SET', key('schema'), ARGV[1])
