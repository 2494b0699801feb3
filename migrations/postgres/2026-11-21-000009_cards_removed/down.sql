ALTER TABLE cards DROP COLUMN removed_at;
