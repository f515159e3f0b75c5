-- Argument: sid.  Returns how many wrong tokens there were, including this one; 0 if there is no such session.
local session = key('session', ARGV[1])
if call('EXISTS', session) == 0 then
    return 0
end
return call('HINCRBY', session, 'guesses', 1)
