-- Cards that make the life of a key longer: by how much, which key it was, and when that was taken back.
ALTER TABLE cards ADD COLUMN key_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE card_redemptions ADD COLUMN key_id BIGINT;
ALTER TABLE card_redemptions ADD COLUMN key_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE card_redemptions ADD COLUMN taken_back_at BIGINT;
