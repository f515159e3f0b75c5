-- Arguments: cursor, about how many.  Returns the next cursor, and "<medium> <address>" of some bindings.
local page = call('HSCAN', key('bindings'), ARGV[1], 'COUNT', ARGV[2])
local names = {}
for i = 1, #page[2], 2 do
    names[#names + 1] = page[2][i]
end
return {page[1], names}
