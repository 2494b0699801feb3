-- Plans, orders, wallets and cards.
CREATE TABLE plans (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    display_name TEXT NOT NULL DEFAULT '',
    description TEXT NOT NULL DEFAULT '',
    -- Minor units of `currency` (fen, cents).
    price BIGINT NOT NULL,
    original_price BIGINT,
    currency TEXT NOT NULL,
    cycle TEXT NOT NULL,
    cycle_days BIGINT NOT NULL,
    features TEXT NOT NULL DEFAULT '{}',
    selling_points TEXT NOT NULL DEFAULT '[]',
    recommended BOOLEAN NOT NULL DEFAULT FALSE,
    promotion_ends_at BIGINT,
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    is_visible BOOLEAN NOT NULL DEFAULT TRUE,
    sort BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT,
    version BIGINT NOT NULL DEFAULT 1
);

CREATE TABLE subscriptions (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user_id BIGINT NOT NULL REFERENCES users (id),
    plan_id BIGINT NOT NULL REFERENCES plans (id),
    status TEXT NOT NULL,
    source TEXT NOT NULL,
    order_id BIGINT,
    started_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    auto_renew BOOLEAN NOT NULL DEFAULT FALSE,
    cancelled_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX subscriptions_user ON subscriptions (user_id, id);
CREATE INDEX subscriptions_due ON subscriptions (status, expires_at);

CREATE TABLE orders (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    no TEXT NOT NULL UNIQUE,
    user_id BIGINT NOT NULL REFERENCES users (id),
    kind TEXT NOT NULL,
    plan_id BIGINT REFERENCES plans (id),
    -- The subscription whose rest was taken off the price.
    replaces_id BIGINT,
    -- What is asked for, in minor units; what it credits to the wallet, in micro-dollars.
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    credit BIGINT NOT NULL DEFAULT 0,
    period_days BIGINT NOT NULL DEFAULT 0,
    method TEXT NOT NULL,
    status TEXT NOT NULL,
    provider_ref TEXT,
    transaction_id TEXT,
    pay_url TEXT,
    qr_content TEXT,
    paid_amount BIGINT,
    paid_currency TEXT,
    refunded_amount BIGINT NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT '',
    client_ip TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    paid_at BIGINT,
    activated_at BIGINT,
    closed_at BIGINT,
    checked_at BIGINT,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX orders_user ON orders (user_id, id);
CREATE INDEX orders_status ON orders (status, expires_at);
CREATE INDEX orders_paid ON orders (paid_at);
CREATE INDEX orders_created ON orders (created_at, id);

-- Every notification a payment provider sent, believed or not.
CREATE TABLE payment_events (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    provider TEXT NOT NULL,
    event_id TEXT NOT NULL,
    order_no TEXT NOT NULL,
    outcome TEXT NOT NULL,
    amount BIGINT,
    currency TEXT,
    detail TEXT NOT NULL DEFAULT '',
    received_at BIGINT NOT NULL
);
CREATE INDEX payment_events_order ON payment_events (order_no, id);
CREATE INDEX payment_events_event ON payment_events (provider, event_id);
CREATE INDEX payment_events_outcome ON payment_events (outcome, id);

CREATE TABLE ledger_entries (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user_id BIGINT NOT NULL REFERENCES users (id),
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    amount BIGINT NOT NULL,
    balance_after BIGINT NOT NULL,
    reference TEXT NOT NULL DEFAULT '',
    idem_key TEXT UNIQUE,
    note TEXT NOT NULL DEFAULT '',
    actor TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    UNIQUE (user_id, seq)
);
CREATE INDEX ledger_entries_kind ON ledger_entries (user_id, kind, id);
CREATE INDEX ledger_entries_created ON ledger_entries (created_at);

CREATE TABLE cards (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL UNIQUE,
    code BLOB NOT NULL,
    hint TEXT NOT NULL,
    kind TEXT NOT NULL,
    value BIGINT NOT NULL DEFAULT 0,
    plan_id BIGINT REFERENCES plans (id),
    plan_days BIGINT NOT NULL DEFAULT 0,
    uses_allowed BIGINT NOT NULL DEFAULT 1,
    uses_left BIGINT NOT NULL,
    enabled BOOLEAN NOT NULL DEFAULT TRUE,
    expires_at BIGINT,
    name TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    batch TEXT NOT NULL,
    created_by BIGINT,
    created_at BIGINT NOT NULL,
    last_redeemed_at BIGINT,
    last_redeemed_by BIGINT,
    version BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX cards_created ON cards (created_at, id);
CREATE INDEX cards_batch ON cards (batch);

CREATE TABLE card_redemptions (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    card_id BIGINT NOT NULL REFERENCES cards (id),
    user_id BIGINT NOT NULL REFERENCES users (id),
    value BIGINT NOT NULL,
    plan_id BIGINT,
    created_at BIGINT NOT NULL,
    UNIQUE (card_id, user_id)
);
CREATE INDEX card_redemptions_user ON card_redemptions (user_id, id);
CREATE INDEX card_redemptions_created ON card_redemptions (created_at);
