ALTER TABLE card_redemptions DROP COLUMN taken_back_at;
ALTER TABLE card_redemptions DROP COLUMN key_ms;
ALTER TABLE card_redemptions DROP COLUMN key_id;
ALTER TABLE cards DROP COLUMN key_ms;
