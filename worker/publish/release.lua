-- Gives a stream back on a clean stop, so that another worker need not wait for the beat to grow old.
-- KEYS: state
-- ARGV: writer, epoch, 1 if every record arrived (else the next claim tells a gap)
-- Answers 1, or 0 where the stream is not this writer's any more.
local state = redis.call('HMGET', KEYS[1], 'writer', 'epoch')
if state[1] ~= ARGV[1] or state[2] ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], 'beat', '')
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[1], 'run', '')
end
return 1
