-- Arguments: user ID, now, and URLs.
for i = 3, #ARGV do
    call('HSETNX', key('terms', ARGV[1]), ARGV[i], ARGV[2])
end
