-- Begin to index all bindings under a new pepper.  Arguments: made at, pepper, the current pepper or '', timeout in ms.
-- Returns 0 if another pepper is current, another process is preparing one, or the pepper is not new.
local made_at, pepper, after, timeout = unpack(ARGV)
local in_use = call('LRANGE', key('peppers'), 0, -1)
local current = in_use[1] and pepper_of(in_use[1]) or ''
if current ~= after or has_pepper(in_use, pepper) or call('EXISTS', key('preparing')) == 1 then
    return 0
end
local abandoned = call('GET', key('prepared'))
if abandoned then
    forget_pepper(abandoned)
end
call('SET', key('preparing'), pepper, 'PX', timeout)
-- From now on new bindings are indexed under it too.
call('SET', key('prepared'), made_at .. ' ' .. pepper)
return 1
