-- Keys handed out, and the upstream accounts they may spend.
CREATE TABLE api_keys (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uid TEXT NOT NULL UNIQUE,
    user_id BIGINT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    -- SHA-256 of the secret, hex; the secret itself is shown once and not kept.
    digest TEXT NOT NULL UNIQUE,
    prefix TEXT NOT NULL,
    hint TEXT NOT NULL,
    source TEXT NOT NULL,
    status TEXT NOT NULL,
    permissions TEXT NOT NULL,
    group_name TEXT,
    bindings TEXT NOT NULL DEFAULT '[]',
    limits TEXT NOT NULL DEFAULT '{}',
    rules TEXT NOT NULL DEFAULT '{}',
    tags TEXT NOT NULL DEFAULT '',
    -- Lifetime allowance in micro-dollars; NULL = no such limit.
    budget BIGINT,
    spent BIGINT NOT NULL DEFAULT 0,
    request_count BIGINT NOT NULL DEFAULT 0,
    expires_at BIGINT,
    expiry_mode TEXT NOT NULL DEFAULT 'fixed',
    activate_ms BIGINT,
    activated_at BIGINT,
    last_used_at BIGINT,
    created_by TEXT NOT NULL DEFAULT '',
    extra TEXT NOT NULL DEFAULT '{}',
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT,
    deleted_by TEXT,
    version BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX api_keys_user ON api_keys (user_id, id);
CREATE INDEX api_keys_created ON api_keys (created_at, id);
CREATE INDEX api_keys_expiry ON api_keys (expires_at);
CREATE INDEX api_keys_name ON api_keys (name);

CREATE TABLE accounts (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uid TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    enabled BOOLEAN NOT NULL DEFAULT TRUE,
    schedulable BOOLEAN NOT NULL DEFAULT TRUE,
    health TEXT NOT NULL DEFAULT 'ok',
    health_note TEXT NOT NULL DEFAULT '',
    cool_until BIGINT,
    base_url TEXT,
    -- Sealed JSON documents.
    credentials BLOB NOT NULL,
    proxy BLOB,
    hint TEXT NOT NULL DEFAULT '',
    models TEXT NOT NULL DEFAULT '[]',
    groups TEXT NOT NULL DEFAULT '',
    sharing TEXT NOT NULL DEFAULT 'shared',
    priority BIGINT NOT NULL DEFAULT 50,
    weight BIGINT NOT NULL DEFAULT 1,
    max_concurrency BIGINT NOT NULL DEFAULT 0,
    daily_quota BIGINT,
    tag TEXT NOT NULL DEFAULT '',
    options TEXT NOT NULL DEFAULT '{}',
    info TEXT NOT NULL DEFAULT '{}',
    token_expires_at BIGINT,
    subscription_expires_at BIGINT,
    last_used_at BIGINT,
    spent BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT,
    version BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX accounts_kind ON accounts (kind, id);
CREATE INDEX accounts_created ON accounts (created_at, id);

CREATE TABLE account_groups (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uid TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    platform TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL DEFAULT 1
);

CREATE TABLE account_group_members (
    group_id BIGINT NOT NULL REFERENCES account_groups (id) ON DELETE CASCADE,
    account_id BIGINT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, account_id)
);
CREATE INDEX account_group_members_account ON account_group_members (account_id);

-- What happened to an account's health, newest last.
CREATE TABLE account_events (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    account_id BIGINT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    at BIGINT NOT NULL,
    health TEXT NOT NULL,
    status BIGINT NOT NULL,
    note TEXT NOT NULL
);
CREATE INDEX account_events_account ON account_events (account_id, id);
CREATE INDEX account_events_at ON account_events (at);

CREATE TABLE models (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL DEFAULT '',
    provider TEXT NOT NULL DEFAULT '',
    category TEXT NOT NULL DEFAULT 'chat',
    description TEXT NOT NULL DEFAULT '',
    enabled BOOLEAN NOT NULL DEFAULT TRUE,
    context_window BIGINT,
    max_output BIGINT,
    -- Imported price and the administrator's override (which wins), JSON or NULL.
    price TEXT,
    override_price TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX models_provider ON models (provider, name);

-- Which account holds a piece of the vendor's state (a response, a thread, a file, a cached content).
CREATE TABLE pins (
    scope TEXT NOT NULL,
    key_id BIGINT NOT NULL,
    resource TEXT NOT NULL,
    account_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (scope, key_id, resource)
);
CREATE INDEX pins_expiry ON pins (expires_at);
