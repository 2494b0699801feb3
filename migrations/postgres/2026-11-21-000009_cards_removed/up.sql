-- Cards that were redeemed and then removed: they stay in the books and stand in no list of codes any more.
ALTER TABLE cards ADD COLUMN removed_at BIGINT;
