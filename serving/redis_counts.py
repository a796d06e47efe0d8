"""What has been asked lately, counted in Redis for all processes: one round trip a call.

The windows are those of `local_counts`, by Redis's own clock, so that the clocks of the hosts do
not matter. limits' own storage takes two round trips and keeps an entry for every image.

Where that clock is set back, what lies in its future counts as done just now: no window and no
wait becomes longer than it was.
"""

import time
from typing import Any
from uuid import uuid4

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from leafgate.errors import UserError
from leafgate.url_secrets import require_readable
from serving.local_counts import STEPS

TIMEOUT_SECONDS = 0.25  # a Redis that hangs must not hang the event loop
ALIVE_SECONDS = 10
MOST_SEEN = 4096
PREFIX = "leafgate:"
PROCESSES = PREFIX + "processes"

# KEYS: entries "first last amount", oldest first, and their total. ARGV: limit, expiry, amount,
# steps, and what to do. Answers: whether it passes, the total, the oldest time, seconds to wait.
WINDOW = """
local limit, expiry = tonumber(ARGV[1]), tonumber(ARGV[2])
local amount, step = tonumber(ARGV[3]), expiry / tonumber(ARGV[4])
local clock = redis.call('time')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local total = tonumber(redis.call('get', KEYS[2]) or '0')

local function parts(entry)
  local first, last, count = string.match(entry, '(%S+) (%S+) (%S+)')
  return tonumber(first), tonumber(last), tonumber(count)
end

-- The clock was set back: move everything, so that the last call was made now.
local newest = redis.call('lindex', KEYS[1], -1)
local ahead = newest and select(2, parts(newest)) - now or 0
if ahead > 0.001 then
  local entries = redis.call('lrange', KEYS[1], 0, -1)
  redis.call('del', KEYS[1])
  for _, entry in ipairs(entries) do
    local first, last, count = parts(entry)
    local moved = string.format('%.6f %.6f %d', first - ahead, last - ahead, count)
    redis.call('rpush', KEYS[1], moved)
  end
end

local oldest = nil
while true do
  local entry = redis.call('lindex', KEYS[1], 0)
  if not entry then total = 0; break end
  local _, last, count = parts(entry)
  if last + expiry > now then oldest = last; break end
  redis.call('lpop', KEYS[1])
  total = total - count
end

local passes = total + amount <= limit
if ARGV[5] == 'take' and passes then
  local first, merged = now, 0
  newest = redis.call('lindex', KEYS[1], -1)
  if newest then
    local began, _, count = parts(newest)
    if now < began + step then
      first, merged = began, count
      redis.call('rpop', KEYS[1])
    end
  end
  redis.call('rpush', KEYS[1], string.format('%.6f %.6f %d', first, now, merged + amount))
  total = total + amount
  oldest = oldest or now
end

local wait = 0
if ARGV[5] == 'wait' and not passes then
  local excess = math.min(total, total + amount - limit)
  for _, entry in ipairs(redis.call('lrange', KEYS[1], 0, -1)) do
    local _, last, count = parts(entry)
    excess = excess - count
    if excess <= 0 then wait = last + expiry - now; break end
  end
end

local life = math.ceil(expiry * 1000) + 1000
redis.call('set', KEYS[2], string.format('%d', total), 'PX', life)
redis.call('pexpire', KEYS[1], life)
return {passes and 1 or 0, total, string.format('%.6f', oldest or now), string.format('%.6f', wait)}
"""

COUNTER = """
local sum = redis.call('incrby', KEYS[1], ARGV[2])
local left, life = redis.call('pttl', KEYS[1]), tonumber(ARGV[1]) * 1000
if left < 0 or left > life then redis.call('pexpire', KEYS[1], life) end
return sum
"""

LEFT = """
local left, most = redis.call('pttl', KEYS[1]), tonumber(ARGV[1])
if left <= most then return left end
redis.call('pexpire', KEYS[1], most)
return most
"""

# Tells that this process is alive, and how many are.
BEAT = """
local now = tonumber(redis.call('time')[1])
redis.call('zadd', KEYS[1], now, ARGV[1])
redis.call('zremrangebyscore', KEYS[1], '-inf', now - tonumber(ARGV[2]))
redis.call('zremrangebyscore', KEYS[1], '(' .. now, '+inf')
redis.call('expire', KEYS[1], tonumber(ARGV[2]) * 2)
return redis.call('zcard', KEYS[1])
"""


class RedisCounts:
    """Windows and counters by key, as those of `LocalCounts`. Every method raises RedisError
    where Redis is away, after a quarter of a second at most.
    """

    def __init__(self, url: str) -> None:
        require_readable(url, "LEAFGATE_REDIS_URL")
        try:
            self.client = redis.Redis.from_url(
                url,
                socket_timeout=TIMEOUT_SECONDS,
                socket_connect_timeout=TIMEOUT_SECONDS,
                # Once, for a connection that was closed while it lay idle; never after a timeout.
                retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
            )
            self.client.connection_pool.make_connection()  # refuses options that it does not know
        except (ValueError, TypeError) as error:
            fix = "set it to redis://HOST:6379/0, or leave it out to count in memory"
            raise UserError(f"LEAFGATE_REDIS_URL cannot be used ({error})", fix) from None
        self.name = uuid4().hex
        self._window = self.client.register_script(WINDOW)
        self._counter = self.client.register_script(COUNTER)
        self._left = self.client.register_script(LEFT)
        self._beat = self.client.register_script(BEAT)
        self._seen: dict[str, tuple[float, int]] = {}

    def take(self, key: str, limit: int, expiry: int, amount: int) -> bool:
        """Count `amount` in the window of `expiry` seconds, if it stays within the limit."""
        passes, *window = self._ask(key, limit, expiry, amount, "take")
        if len(self._seen) > MOST_SEEN:
            self._seen.clear()
        self._seen[key] = _window(window)
        return bool(passes)

    def look(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """The Unix time of the oldest call in the window (now, where there is none), and how much
        of the limit is used; as the last `take` found it, which saves a round trip.
        """
        seen = self._seen.pop(key, None)
        return seen or _window(self._ask(key, limit, expiry, 0, "look")[1:])

    def wait_seconds(self, key: str, limit: int, expiry: int, amount: int) -> float:
        """How long until `amount` would pass."""
        return float(self._ask(key, limit, expiry, amount, "wait")[3])

    def incr(self, key: str, expiry: int, amount: int) -> int:
        """Add to a counter that ends `expiry` seconds after its first addition; its sum."""
        return int(self._counter([PREFIX + key], [expiry, amount]))

    def get(self, key: str) -> int:
        """A counter's sum; 0 where it has ended."""
        return int(self.client.get(PREFIX + key) or 0)

    def seconds_left(self, key: str, at_most: float) -> float:
        """How long until a counter ends, `at_most` that; 0 where it has."""
        return max(0, int(self._left([PREFIX + key], [round(at_most * 1000)]))) / 1000

    def get_expiry(self, key: str) -> float:
        """The Unix time when a counter ends; now where it has."""
        return time.time() + max(0, int(self.client.pttl(PREFIX + key))) / 1000

    def clear(self, key: str) -> None:
        """Forget a counter."""
        self.client.delete(PREFIX + key)

    def beat(self) -> int:
        """Tell that this process is alive; how many are."""
        return int(self._beat([PROCESSES], [self.name, ALIVE_SECONDS]))

    def leave(self) -> None:
        """Be counted no longer."""
        self.client.zrem(PROCESSES, self.name)
        self.client.close()

    def _ask(self, key: str, limit: int, expiry: int, amount: int, what: str) -> list[Any]:
        # The braces keep both keys on one node of a cluster.
        keys = [f"{PREFIX}{{{key}}}", f"{PREFIX}{{{key}}}:total"]
        answer: list[Any] = self._window(keys, [limit, expiry, amount, STEPS, what])
        return answer


def _window(told: list[Any]) -> tuple[float, int]:
    total, oldest = told[:2]
    return float(oldest), int(total)
