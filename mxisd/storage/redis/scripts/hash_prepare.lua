-- Begin to index all bindings under a new pepper.  Arguments: made at, pepper, the current pepper or '', ms of patience.
-- Returns 0 if another one is current, someone is at it already, or the pepper is not new.
local made_at, pepper, after, patience = unpack(ARGV)
local in_use = call('LRANGE', key('peppers'), 0, -1)
local current = in_use[1] and pepper_of(in_use[1]) or ''
if current ~= after or has_pepper(in_use, pepper) or call('EXISTS', key('preparing')) == 1 then
    return 0
end
local given_up = call('GET', key('prepared'))
if given_up then
    forget_pepper(given_up)
end
call('SET', key('preparing'), pepper, 'PX', patience)
-- From now on what is bound is indexed under it too.
call('SET', key('prepared'), made_at .. ' ' .. pepper)
return 1
