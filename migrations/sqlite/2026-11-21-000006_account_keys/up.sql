-- By which of an account's keys its vendor was asked: a vendor knows its work by the key that ordered it. The
-- name is a short digest of the key; empty where it is not known.
ALTER TABLE pins ADD COLUMN account_key TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN account_key TEXT NOT NULL DEFAULT '';
