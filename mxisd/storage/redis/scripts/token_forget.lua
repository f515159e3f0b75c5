-- Arguments: a time, and digests of access tokens.  Forgets those that are from before it; returns how many they were.
local forgotten = 0
for i = 2, #ARGV do
    local since = token_of(ARGV[i])
    if since and tonumber(since) < tonumber(ARGV[1]) then
        forgotten = forgotten + forget_token(ARGV[i])
    end
end
return forgotten
