-- One row a relayed call, and what the dashboards read instead.
CREATE TABLE usage (
    call_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    model TEXT NOT NULL,
    upstream_model TEXT NOT NULL DEFAULT '',
    dialect TEXT NOT NULL,
    operation TEXT NOT NULL,
    stream BOOLEAN NOT NULL,
    status BIGINT NOT NULL,
    error_code TEXT NOT NULL DEFAULT '',
    input BIGINT NOT NULL DEFAULT 0,
    cache_read BIGINT NOT NULL DEFAULT 0,
    cache_write_5m BIGINT NOT NULL DEFAULT 0,
    cache_write_1h BIGINT NOT NULL DEFAULT 0,
    output BIGINT NOT NULL DEFAULT 0,
    reasoning BIGINT NOT NULL DEFAULT 0,
    audio BIGINT NOT NULL DEFAULT 0,
    images BIGINT NOT NULL DEFAULT 0,
    -- What the caller pays, and what the call cost before group and user ratios; micro-dollars.
    cost BIGINT NOT NULL DEFAULT 0,
    raw_cost BIGINT NOT NULL DEFAULT 0,
    estimated BOOLEAN NOT NULL DEFAULT FALSE,
    first_byte_ms BIGINT NOT NULL DEFAULT 0,
    duration_ms BIGINT NOT NULL DEFAULT 0,
    ip TEXT NOT NULL DEFAULT '',
    client TEXT NOT NULL DEFAULT '',
    meta TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (call_id, at)
);
CREATE INDEX usage_at ON usage (at, call_id);
CREATE INDEX usage_key ON usage (key_id, at);
CREATE INDEX usage_user ON usage (user_id, at);
CREATE INDEX usage_account ON usage (account_id, at);

CREATE TABLE usage_hourly (
    hour BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    model TEXT NOT NULL,
    dialect TEXT NOT NULL,
    requests BIGINT NOT NULL DEFAULT 0,
    errors BIGINT NOT NULL DEFAULT 0,
    input BIGINT NOT NULL DEFAULT 0,
    cache_read BIGINT NOT NULL DEFAULT 0,
    cache_write_5m BIGINT NOT NULL DEFAULT 0,
    cache_write_1h BIGINT NOT NULL DEFAULT 0,
    output BIGINT NOT NULL DEFAULT 0,
    reasoning BIGINT NOT NULL DEFAULT 0,
    audio BIGINT NOT NULL DEFAULT 0,
    images BIGINT NOT NULL DEFAULT 0,
    cost BIGINT NOT NULL DEFAULT 0,
    raw_cost BIGINT NOT NULL DEFAULT 0,
    first_byte_ms BIGINT NOT NULL DEFAULT 0,
    duration_ms BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (hour, key_id, account_id, user_id, model, dialect)
);
CREATE INDEX usage_hourly_key ON usage_hourly (key_id, hour);
CREATE INDEX usage_hourly_account ON usage_hourly (account_id, hour);
CREATE INDEX usage_hourly_user ON usage_hourly (user_id, hour);

-- The same sums over everybody, so that a dashboard's cost does not grow with the number of keys.
CREATE TABLE usage_totals (
    hour BIGINT NOT NULL,
    model TEXT NOT NULL,
    dialect TEXT NOT NULL,
    requests BIGINT NOT NULL DEFAULT 0,
    errors BIGINT NOT NULL DEFAULT 0,
    input BIGINT NOT NULL DEFAULT 0,
    cache_read BIGINT NOT NULL DEFAULT 0,
    cache_write_5m BIGINT NOT NULL DEFAULT 0,
    cache_write_1h BIGINT NOT NULL DEFAULT 0,
    output BIGINT NOT NULL DEFAULT 0,
    reasoning BIGINT NOT NULL DEFAULT 0,
    audio BIGINT NOT NULL DEFAULT 0,
    images BIGINT NOT NULL DEFAULT 0,
    cost BIGINT NOT NULL DEFAULT 0,
    raw_cost BIGINT NOT NULL DEFAULT 0,
    first_byte_ms BIGINT NOT NULL DEFAULT 0,
    duration_ms BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (hour, model, dialect)
);

-- What was said, only while recording is switched on.
CREATE TABLE call_contents (
    call_id TEXT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    system_prompt TEXT NOT NULL DEFAULT '',
    user_message TEXT NOT NULL DEFAULT '',
    assistant_message TEXT NOT NULL DEFAULT '',
    error_message TEXT NOT NULL DEFAULT ''
);
CREATE INDEX call_contents_at ON call_contents (at);

-- Asynchronous generation: images, music, video.
CREATE TABLE tasks (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uid TEXT NOT NULL UNIQUE,
    call_id TEXT NOT NULL UNIQUE,
    user_id BIGINT NOT NULL REFERENCES users (id),
    key_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    platform TEXT NOT NULL,
    action TEXT NOT NULL,
    model TEXT NOT NULL,
    upstream_id TEXT,
    status TEXT NOT NULL,
    progress BIGINT NOT NULL DEFAULT 0,
    request TEXT NOT NULL DEFAULT '{}',
    result TEXT NOT NULL DEFAULT '{}',
    fail_reason TEXT NOT NULL DEFAULT '',
    cost BIGINT NOT NULL DEFAULT 0,
    -- Whether the owner's wallet paid it, and is to be refunded when the task fails.
    from_wallet BOOLEAN NOT NULL DEFAULT TRUE,
    refunded_at BIGINT,
    notify_url TEXT,
    submitted_at BIGINT,
    started_at BIGINT,
    finished_at BIGINT,
    next_poll_at BIGINT NOT NULL,
    polls BIGINT NOT NULL DEFAULT 0,
    -- When notify_url is to be told next; NULL while there is nothing to tell.
    notify_at BIGINT,
    notify_tries BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX tasks_notify ON tasks (notify_at) WHERE notify_at IS NOT NULL;
CREATE INDEX tasks_due ON tasks (status, next_poll_at);
CREATE INDEX tasks_key ON tasks (key_id, id);
CREATE INDEX tasks_user ON tasks (user_id, id);
CREATE INDEX tasks_upstream ON tasks (account_id, upstream_id);
