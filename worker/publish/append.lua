-- Stores a batch of one stream's records once, in order, all or none (design 6, 12.1-12.3).
-- KEYS: events, state
-- ARGV: writer, epoch, acked, max records (0: no bound), max age in ms (0: no bound), run,
--       then seq, type, data of each record. No record: a sign of life.
-- Answers {'OK', stored} | {'LOST', stored} | {'FENCED', stored epoch, its worker}
local state = redis.call('HMGET', KEYS[2], 'seq', 'writer', 'epoch', 'worker')
if not state[1] then
  return {'LOST', 0, 'absent'}
end
if state[2] ~= ARGV[1] or state[3] ~= ARGV[2] then
  return {'FENCED', tonumber(state[3]) or 0, state[4] or ''}
end
local stored = tonumber(state[1])
if stored < tonumber(ARGV[3]) then
  return {'LOST', stored, 'behind'}
end

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 7, #ARGV, 3 do
  local seq = tonumber(ARGV[i])
  if seq > stored then
    redis.call('XADD', KEYS[1], '*', 'type', ARGV[i + 1], 'seq', ARGV[i], 'data', ARGV[i + 2])
    stored = seq
  end
end
redis.call('HSET', KEYS[2], 'seq', string.format('%.0f', stored), 'beat', string.format('%.0f', now_ms))
if ARGV[6] ~= '' then
  redis.call('HSET', KEYS[2], 'run', ARGV[6])
end
if #ARGV > 6 then
  if ARGV[4] ~= '0' then
    redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[4])
  end
  if ARGV[5] ~= '0' then
    redis.call('XTRIM', KEYS[1], 'MINID', '~', string.format('%.0f', now_ms - tonumber(ARGV[5])))
  end
end
return {'OK', stored}
