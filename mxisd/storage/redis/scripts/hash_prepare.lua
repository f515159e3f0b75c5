-- Begin to prepare a new pepper.  Arguments: made at, pepper, the current pepper or '', ms to live.
-- Returns 0 if another one is current, one is being prepared already, or the pepper is not new.
local made_at, pepper, expected, life = unpack(ARGV)
local all, filling = peppers()
if filling or has_pepper(all, pepper) or (all[1] and pepper_of(all[1]) or '') ~= expected then
    return 0
end
-- Until it is published it lives only as long as its maker shows signs of life.  Bindings are indexed under it from now
-- on.
call('SET', key('filling'), made_at .. ' ' .. pepper, 'PX', life)
return 1
