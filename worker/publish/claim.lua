-- Makes a process the one writer of a stream (design 12.2, 12.3).
-- KEYS: events, state
-- ARGV: writer, worker's name, milliseconds after which another worker's silence frees the stream
-- Answers {'OK', epoch, stored seq, run that was left open or '', its worker, ms of its last sign of life or 0, its writer or ''}
--       | {'REFUSED', owner's name, ms since its last sign of life}
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local state = redis.call('HMGET', KEYS[2], 'seq', 'epoch', 'worker', 'beat', 'run', 'writer')
local owner = state[3] or ''
local beat = tonumber(state[4] or '') or 0
local age = now_ms - beat
if owner ~= '' and owner ~= ARGV[2] and beat > 0 and age < tonumber(ARGV[3]) then
  return {'REFUSED', owner, age}
end

local stored = tonumber(state[1] or '')
local run = state[5]
if not stored then
  -- The state was lost alone (evicted, deleted by hand): the events still know their last number and run.
  stored = 0
  local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
  local fields = last and last[2] or {}
  for i = 1, #fields, 2 do
    if fields[i] == 'seq' then
      stored = tonumber(fields[i + 1]) or 0
    elseif fields[i] == 'data' then
      local readable, record = pcall(cjson.decode, fields[i + 1])
      run = readable and type(record) == 'table' and type(record.run) == 'string' and record.run or run
    end
  end
end
run = run or ''
local epoch = math.max((tonumber(state[2] or '') or 0) + 1, now_ms)
redis.call('HSET', KEYS[2], 'seq', string.format('%.0f', stored), 'writer', ARGV[1],
  'epoch', string.format('%.0f', epoch), 'run', run, 'worker', ARGV[2], 'beat', string.format('%.0f', now_ms))
return {'OK', epoch, stored, run, owner, beat, state[6] or ''}
