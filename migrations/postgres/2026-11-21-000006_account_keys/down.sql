ALTER TABLE tasks DROP COLUMN account_key;
ALTER TABLE pins DROP COLUMN account_key;
