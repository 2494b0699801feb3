//! The scripts. Fields of a key: `p` primed, `rs`/`rt` reserved cost and tokens, `uw un uk ut` unwritten
//! cost, requests, week's cost and tokens, `ws wr wt wc` window (start, requests, tokens, cost),
//! `ms mr mt` minute, `ds de dc dr` day (start, end, cost, requests), `ks ke kc` week, `tc tt` total cost
//! and tokens. Of a user: `b q` balance and its seq, `rs`, `up` unpaid,
//! `uw`/`un` unwritten cost and requests, `ds de dc dr` day (start, end, cost, requests). Of a person's calls within
//! a window: `s` start, `n` requests, `g` those that succeeded or still may.

use std::sync::LazyLock;

use redis::Script;

/// Lets go of what dead processes held: members are `id|estimate|tokens`.
const REAP: &str = r"
local function minus(n) if n == 0 then return 0 end return -n end
local function reap(hash, set, now)
  local dead = redis.call('ZRANGEBYSCORE', set, '-inf', now)
  for _, member in ipairs(dead) do
    local estimate, tokens = string.match(member, '|(%d+)|(%d+)$')
    redis.call('HINCRBY', hash, 'rs', minus(tonumber(estimate)))
    redis.call('HINCRBY', hash, 'rt', minus(tonumber(tokens)))
  end
  if #dead > 0 then redis.call('ZREMRANGEBYSCORE', set, '-inf', now) end
end
";

/// KEYS key, key's held, user, user's held, person. ARGV member, then numbers; -1 is no limit.
/// Answers {0, window, minute, person's window}, {1, limit's number, limit, current, resets at} or {2, key unknown, user unknown}.
const ADMIT_TEXT: &str = r"
local key, key_held, user, user_held = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local member = ARGV[1]
local a = {}
for i = 2, #ARGV do a[i - 1] = tonumber(ARGV[i]) end
local now, est, tok, lease, keep = a[1], a[2], a[3], a[4], a[5]
local day_start, day_end, week_start, week_end = a[13], a[14], a[16], a[17]
local of_user = a[20] == 1

-- 0: the kept span serves; 1: it is over; 2: another span altogether.
local function follow(start, stop, want_start, want_end)
  if start == want_start then return 0 end
  if stop == 0 then return 2 end
  if want_start >= stop then return 1 end
  if want_end <= start then return 0 end
  return 2
end
local function read(hash, fields)
  local values = redis.call('HMGET', hash, unpack(fields))
  local out = {}
  for i, name in ipairs(fields) do out[name] = tonumber(values[i] or '0') end
  return out, values[1]
end

reap(key, key_held, now)
local k, primed = read(key, {'p','rs','rt','ws','wr','wt','wc','ms','mr','mt','ds','de','dc','dr','ks','ke','kc','tc','tt'})
local key_unknown = 0
if not primed then key_unknown = 1 end
local day = follow(k.ds, k.de, day_start, day_end)
if day == 2 then key_unknown = 1 end
local week = 0
if week_end > 0 then
  week = follow(k.ks, k.ke, week_start, week_end)
  if week == 2 then key_unknown = 1 end
end
local u, user_unknown, user_day = nil, 0, 0
if of_user then
  reap(user, user_held, now)
  local there
  u, there = read(user, {'p','b','rs','up','ds','de','dc','dr'})
  user_day = follow(u.ds, u.de, day_start, day_end)
  if not there or user_day == 2 then user_unknown = 1 end
end
if key_unknown == 1 or user_unknown == 1 then return {2, key_unknown, user_unknown, 0, 0} end

if day == 1 then
  redis.call('HSET', key, 'ds', day_start, 'de', day_end, 'dc', 0, 'dr', 0)
  k.dc = 0 k.dr = 0 k.de = day_end
end
if week == 1 then
  redis.call('HSET', key, 'ks', week_start, 'ke', week_end, 'kc', 0)
  k.kc = 0 k.ke = week_end
end
if user_day == 1 then
  redis.call('HSET', user, 'ds', day_start, 'de', day_end, 'dc', 0, 'dr', 0)
  u.dc = 0 u.dr = 0 u.de = day_end
end

local function full(kind, limit, used, resets)
  if limit >= 0 and used >= limit then return {1, kind, limit, used, resets} end
end
local function over(kind, limit, used, resets)
  if limit >= 0 and (used >= limit or used + est > limit) then return {1, kind, limit, used, resets} end
end

local refusal = full(1, a[6], redis.call('ZCARD', key_held), 0)
if refusal then return refusal end
local length = a[7]
local new_window = false
if length >= 0 then
  if (k.wr == 0 and k.wt == 0 and k.wc == 0) or now >= k.ws + length then
    new_window = true
    k.ws = now k.wr = 0 k.wt = 0 k.wc = 0
  end
  local stop = k.ws + length
  refusal = full(2, a[8], k.wr, stop) or full(3, a[9], k.wt + k.rt, stop) or over(4, a[10], k.wc + k.rs, stop)
  if refusal then return refusal end
end
local new_minute = false
if (k.mr == 0 and k.mt == 0) or now >= k.ms + 60000 then
  new_minute = true
  k.ms = now k.mr = 0 k.mt = 0
end
refusal = full(5, a[11], k.mr, k.ms + 60000) or full(6, a[12], k.mt + k.rt, k.ms + 60000)
  or full(7, a[24], k.dr, k.de)
  or over(8, a[15], k.dc + k.rs, k.de)
  or over(9, a[19], k.tc + k.rs, 0)
  or full(10, a[25], k.tt + k.rt, 0)
  or over(11, a[18], k.kc + k.rs, k.ke)
if refusal then return refusal end
if of_user then
  refusal = full(12, a[21], u.dr, u.de) or over(13, a[22], u.dc + u.rs, u.de)
  if refusal then return refusal end
  local free = u.b - u.rs - u.up
  if a[23] == 1 and est > free then return {1, 14, est, free, 0} end
end
local person_length, person = a[26], 0
if person_length >= 0 then
  local p = read(KEYS[5], {'s','n','g'})
  if p.n == 0 or now >= p.s + person_length then p = {s = now, n = 0, g = 0} end
  local stop = p.s + person_length
  refusal = full(15, a[27], p.n, stop) or full(16, a[28], p.g, stop)
  if refusal then return refusal end
  person = p.s
  redis.call('HSET', KEYS[5], 's', p.s, 'n', p.n + 1, 'g', p.g + 1)
  redis.call('PEXPIRE', KEYS[5], stop - now)
end

if new_window then redis.call('HSET', key, 'ws', k.ws, 'wr', 0, 'wt', 0, 'wc', 0) end
if new_minute then redis.call('HSET', key, 'ms', k.ms, 'mr', 0, 'mt', 0) end
redis.call('HINCRBY', key, 'rs', est)
redis.call('HINCRBY', key, 'rt', tok)
if length >= 0 then redis.call('HINCRBY', key, 'wr', 1) end
redis.call('HINCRBY', key, 'mr', 1)
redis.call('HINCRBY', key, 'dr', 1)
redis.call('ZADD', key_held, lease, member)
redis.call('PEXPIRE', key, keep)
redis.call('PEXPIRE', key_held, keep)
if of_user then
  redis.call('HINCRBY', user, 'rs', est)
  redis.call('HINCRBY', user, 'dr', 1)
  redis.call('ZADD', user_held, lease, member)
  redis.call('PEXPIRE', user, keep)
  redis.call('PEXPIRE', user_held, keep)
end
local window = 0
if length >= 0 then window = k.ws end
return {0, window, k.ms, person, 0}
";

/// KEYS as above. ARGV member (empty: nothing was held), then estimate, tokens, window, minute, day, of user,
/// uncount, spends, at, cost, tokens, from wallet, weekly, person's window, served.
const SPEND_TEXT: &str = r"
local key, key_held, user, user_held = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local member = ARGV[1]
local a = {}
for i = 2, #ARGV do a[i - 1] = tonumber(ARGV[i]) end
local est, tok, window, minute, day = a[1], a[2], a[3], a[4], a[5]
local of_user, uncount, spends = a[6] == 1, a[7] == 1, a[8] == 1
local at, cost, tokens, from_wallet = a[9], a[10], a[11], a[12] == 1
local week_cost = 0
if a[13] == 1 then week_cost = cost end
local function minus(n) if n == 0 then return 0 end return -n end
local function read(hash, fields)
  local values = redis.call('HMGET', hash, unpack(fields))
  local out = {}
  for i, name in ipairs(fields) do out[name] = tonumber(values[i] or '0') end
  return out, values[1]
end
-- Adds to a span's sum; a span that is over cannot be moved on from here, so the books are asked again.
local function add(hash, values, s, e, c, n)
  if at >= values[s] and at < values[e] then redis.call('HINCRBY', hash, c, n) end
  if values[e] > 0 and at >= values[e] then redis.call('HDEL', hash, 'p') end
end

local known = redis.call('EXISTS', key) == 1
local k, primed = read(key, {'p','ws','ms','ds','de','ks','ke'})
if member ~= '' and redis.call('ZREM', key_held, member) == 1 and known then
  redis.call('HINCRBY', key, 'rs', minus(est))
  redis.call('HINCRBY', key, 'rt', minus(tok))
  if primed and uncount then
    if window > 0 and k.ws == window then redis.call('HINCRBY', key, 'wr', -1) end
    if k.ms == minute then redis.call('HINCRBY', key, 'mr', -1) end
    if k.ds == day then redis.call('HINCRBY', key, 'dr', -1) end
  end
end
if spends and known then
  redis.call('HINCRBY', key, 'uw', cost)
  redis.call('HINCRBY', key, 'un', 1)
  redis.call('HINCRBY', key, 'uk', week_cost)
  redis.call('HINCRBY', key, 'ut', tokens)
  redis.call('HINCRBY', key, 'tc', cost)
  redis.call('HINCRBY', key, 'tt', tokens)
  if member == '' and at >= k.ds and at < k.de then redis.call('HINCRBY', key, 'dr', 1) end
  add(key, k, 'ds', 'de', 'dc', cost)
  add(key, k, 'ks', 'ke', 'kc', week_cost)
  if member ~= '' then
    if window > 0 and k.ws == window then
      redis.call('HINCRBY', key, 'wt', tokens)
      redis.call('HINCRBY', key, 'wc', cost)
    end
    if k.ms == minute then redis.call('HINCRBY', key, 'mt', tokens) end
  end
end

if a[14] > 0 and tonumber(redis.call('HGET', KEYS[5], 's') or '0') == a[14] then
  if uncount then redis.call('HINCRBY', KEYS[5], 'n', -1) end
  if a[15] == 0 then redis.call('HINCRBY', KEYS[5], 'g', -1) end
end

local user_known = redis.call('EXISTS', user) == 1
local u, there = read(user, {'p','ds','de'})
local counted = false
if of_user and member ~= '' and redis.call('ZREM', user_held, member) == 1 and user_known then
  counted = true
  redis.call('HINCRBY', user, 'rs', minus(est))
  if there and uncount and u.ds == day then redis.call('HINCRBY', user, 'dr', -1) end
end
if spends and user_known then
  if from_wallet then redis.call('HINCRBY', user, 'up', cost) end
  redis.call('HINCRBY', user, 'uw', cost)
  redis.call('HINCRBY', user, 'un', 1)
  if not counted and at >= u.ds and at < u.de then redis.call('HINCRBY', user, 'dr', 1) end
  add(user, u, 'ds', 'de', 'dc', cost)
end
return 1
";

/// KEYS key, key's held. ARGV now, keep, day (start, end, cost), week (start, end, cost), total, window (start,
/// requests, tokens, cost), day's requests, total tokens. A key that somebody else primed meanwhile stays as it is.
const PRIME_KEY_TEXT: &str = r"
local key, held = KEYS[1], KEYS[2]
local a = {}
for i = 1, #ARGV do a[i] = tonumber(ARGV[i]) end
local primed = redis.call('HMGET', key, 'p', 'ds', 'ks')
if primed[1] and tonumber(primed[2]) == a[3] and (a[6] == 0 or tonumber(primed[3]) == a[6]) then return 0 end
redis.call('ZREMRANGEBYSCORE', held, '-inf', a[1])
local rs, rt, open = 0, 0, 0
for _, member in ipairs(redis.call('ZRANGE', held, 0, -1)) do
  local estimate, tokens = string.match(member, '|(%d+)|(%d+)$')
  rs = rs + tonumber(estimate)
  rt = rt + tonumber(tokens)
  open = open + 1
end
local u = redis.call('HMGET', key, 'uw', 'un', 'uk', 'ut')
local uw, un, uk, ut = tonumber(u[1] or '0'), tonumber(u[2] or '0'), tonumber(u[3] or '0'), tonumber(u[4] or '0')
redis.call('HSET', key, 'p', 1, 'rs', rs, 'rt', rt, 'ds', a[3], 'de', a[4], 'dc', a[5] + uw,
  'dr', a[14] + un + open, 'ks', a[6], 'ke', a[7], 'kc', a[8] + uk, 'tc', a[9] + uw, 'tt', a[15] + ut)
local ws = tonumber(redis.call('HGET', key, 'ws') or '0')
if ws == 0 and a[10] > 0 then
  redis.call('HSET', key, 'ws', a[10], 'wr', a[11] + un + open, 'wt', a[12] + ut, 'wc', a[13] + uw)
end
redis.call('PEXPIRE', key, a[2])
return 1
";

/// KEYS user, user's held. ARGV now, keep, balance, seq, day (start, end, cost, requests).
const PRIME_USER_TEXT: &str = r"
local user, held = KEYS[1], KEYS[2]
local a = {}
for i = 1, #ARGV do a[i] = tonumber(ARGV[i]) end
local was = redis.call('HMGET', user, 'p', 'ds', 'q', 'uw', 'un')
if was[1] and tonumber(was[2]) == a[5] then return 0 end
redis.call('ZREMRANGEBYSCORE', held, '-inf', a[1])
local rs, open = 0, 0
for _, member in ipairs(redis.call('ZRANGE', held, 0, -1)) do
  rs = rs + tonumber(string.match(member, '|(%d+)|%d+$'))
  open = open + 1
end
if a[4] >= tonumber(was[3] or '-1') then redis.call('HSET', user, 'b', a[3], 'q', a[4]) end
redis.call('HSET', user, 'p', 1, 'rs', rs, 'ds', a[5], 'de', a[6], 'dc', a[7] + tonumber(was[4] or '0'),
  'dr', a[8] + tonumber(was[5] or '0') + open)
redis.call('PEXPIRE', user, a[2])
return 1
";

/// KEYS keys, then users. ARGV how many keys, per key cost, requests, week's cost, tokens, then per user paid, cost, requests, balance, seq (-1: none).
const CARRIED_TEXT: &str = r"
local n = tonumber(ARGV[1])
local function less(hash, field, by)
  local now = tonumber(redis.call('HGET', hash, field) or '0')
  redis.call('HSET', hash, field, math.max(0, now - by))
end
for i = 1, n do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    for j, field in ipairs({'uw', 'un', 'uk', 'ut'}) do
      less(KEYS[i], field, tonumber(ARGV[1 + (i - 1) * 4 + j]))
    end
  end
end
local at = n * 4 + 2
for i = n + 1, #KEYS do
  local user = KEYS[i]
  if redis.call('EXISTS', user) == 1 then
    less(user, 'up', tonumber(ARGV[at]))
    less(user, 'uw', tonumber(ARGV[at + 1]))
    less(user, 'un', tonumber(ARGV[at + 2]))
    local seq = tonumber(ARGV[at + 4])
    -- Paid by an earlier attempt whose answer was lost: the books know the balance.
    if seq < 0 and tonumber(ARGV[at]) > 0 then redis.call('HDEL', user, 'p') end
    if seq > tonumber(redis.call('HGET', user, 'q') or '-1') then
      redis.call('HSET', user, 'b', ARGV[at + 3], 'q', ARGV[at + 4])
    end
  end
  at = at + 5
end
return 1
";

/// KEYS an account's slots. ARGV member, now, lease end, most, keep.
const TAKE_TEXT: &str = r"
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
local most = tonumber(ARGV[4])
if most > 0 and redis.call('ZCARD', KEYS[1]) >= most then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
";

pub static ADMIT: LazyLock<Script> = LazyLock::new(|| Script::new(&format!("{REAP}{ADMIT_TEXT}")));
pub static SPEND: LazyLock<Script> = LazyLock::new(|| Script::new(SPEND_TEXT));
pub static PRIME_KEY: LazyLock<Script> = LazyLock::new(|| Script::new(PRIME_KEY_TEXT));
pub static PRIME_USER: LazyLock<Script> = LazyLock::new(|| Script::new(PRIME_USER_TEXT));
pub static CARRIED: LazyLock<Script> = LazyLock::new(|| Script::new(CARRIED_TEXT));
pub static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(TAKE_TEXT));
