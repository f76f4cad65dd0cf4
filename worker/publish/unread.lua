-- How far the slowest of some consumer groups is behind (design 12.9). Writes nothing.
-- KEYS: events
-- ARGV: names of groups; one that does not exist yet has read nothing
-- Answers the number of records from the first that is undelivered or unacknowledged to the newest.
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not newest then
  return 0
end

local function table_of(flat)
  local fields = {}
  for i = 1, #flat, 2 do
    fields[flat[i]] = flat[i + 1]
  end
  return fields
end

local groups = {}
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = table_of(flat)
  groups[group['name']] = group
end

local last = tonumber(table_of(newest[2])['seq']) or 0
local behind = 0
for _, name in ipairs(ARGV) do
  local group = groups[name]
  local from = '-'
  if group and group['pending'] > 0 then
    from = redis.call('XPENDING', KEYS[1], name)[2]
  elseif group then
    from = '(' .. group['last-delivered-id']
  end
  local first = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 1)[1]
  if first then
    behind = math.max(behind, last - (tonumber(table_of(first[2])['seq']) or 0) + 1)
  end
end
return behind
