-- Makes a process the one writer of a stream (design 12.2, 12.3).
-- KEYS: events, state
-- ARGV: writer, worker's name, milliseconds after which another worker's silence frees the stream
-- Answers {'OK', epoch, stored seq, run that was left open or '', its worker, ms of its last sign of life or 0}
--       | {'REFUSED', owner's name, ms since its last sign of life}
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HMGET', KEYS[2], 'seq', 'epoch', 'worker', 'beat', 'run')
local owner = state[3] or ''
local beat = tonumber(state[4] or '') or 0
local age = now_ms - beat
if owner ~= '' and owner ~= ARGV[2] and beat > 0 and age < tonumber(ARGV[3]) then
  return {'REFUSED', owner, age}
end

local stored = tonumber(state[1] or '')
if not stored then
  -- The state was lost alone (evicted, deleted by hand): the events still know their last number.
  stored = 0
  local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
  if last then
    for i = 1, #last[2], 2 do
      if last[2][i] == 'seq' then
        stored = tonumber(last[2][i + 1]) or 0
      end
    end
  end
end
local epoch = math.max((tonumber(state[2] or '') or 0) + 1, now_ms)
redis.call('HSET', KEYS[2], 'seq', string.format('%.0f', stored), 'writer', ARGV[1],
  'epoch', string.format('%.0f', epoch), 'worker', ARGV[2], 'beat', string.format('%.0f', now_ms))
return {'OK', epoch, stored, state[5] or '', owner, beat}
