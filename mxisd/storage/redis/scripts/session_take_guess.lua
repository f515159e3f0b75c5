-- Argument: sid.  Returns how many guesses there were, this one included; 0 for no such session.
local session = key('session', ARGV[1])
if call('EXISTS', session) == 0 then
    return 0
end
return call('HINCRBY', session, 'guesses', 1)
