-- Take from all of these buckets, or from none.  Arguments: now, by how much clocks may differ, and for each bucket its
-- name, the cost and its capacity, all in ms.  Returns how long to wait for each.
local now, skew = tonumber(ARGV[1]), tonumber(ARGV[2])
local waits, levels, fits = {}, {}, true
for i = 3, #ARGV, 3 do
    local cost, capacity = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
    local full_at = math.max(now, tonumber(call('GET', key('bucket', ARGV[i])) or now))
    if full_at > now + capacity + skew then
        full_at = now + capacity
    end
    levels[#levels + 1] = full_at
    waits[#waits + 1] = math.max(0, full_at + cost - capacity - now)
    fits = fits and waits[#waits] == 0
end
for n, full_at in ipairs(levels) do
    local i = 3 * n
    local after = fits and full_at + tonumber(ARGV[i + 1]) or full_at
    if after > now then
        call('SET', key('bucket', ARGV[i]), string.format('%.0f', after), 'PX', string.format('%.0f', after - now))
    end
end
return waits
