-- Files people asked for, written in the background. Kept in the database, so that every management server has them.
CREATE TABLE exports (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    format TEXT NOT NULL,
    -- Which rows: the filter of the list, as JSON.
    wanted TEXT NOT NULL,
    -- Whether it was asked for with an administrator's eyes: everybody's rows, every column.
    wide BOOLEAN NOT NULL,
    status TEXT NOT NULL,
    fail_reason TEXT NOT NULL DEFAULT '',
    -- Behind this row it goes on; NULL at the beginning.
    position TEXT,
    chunk_count BIGINT NOT NULL DEFAULT 0,
    row_count BIGINT NOT NULL DEFAULT 0,
    byte_count BIGINT NOT NULL DEFAULT 0,
    -- Who writes it, and until when nobody else may; how often it was begun since the last progress.
    holder TEXT NOT NULL DEFAULT '',
    held_until BIGINT NOT NULL DEFAULT 0,
    tries BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    expires_at BIGINT
);
-- One at a time a person.
CREATE UNIQUE INDEX exports_one ON exports (user_id) WHERE status IN ('pending', 'running');
CREATE INDEX exports_due ON exports (updated_at) WHERE status IN ('pending', 'running');
CREATE INDEX exports_user ON exports (user_id, id);
CREATE INDEX exports_expires ON exports (expires_at) WHERE status = 'ready';
CREATE INDEX exports_finished ON exports (finished_at);

CREATE TABLE export_chunks (
    export_id BIGINT NOT NULL REFERENCES exports (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (export_id, seq)
);
