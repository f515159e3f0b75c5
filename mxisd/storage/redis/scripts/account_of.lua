-- Argument: digest of an access token.  Returns what is kept of the token, and the URLs of the terms that its user has
-- accepted; nil if there is no such token.
local kept = call('HGET', key('tokens'), ARGV[1])
if not kept then
    return nil
end
return {kept, call('HKEYS', key('terms', string.match(kept, ' (.*)$')))}
