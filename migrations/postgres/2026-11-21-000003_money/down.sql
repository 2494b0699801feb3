DROP TABLE card_redemptions;
DROP TABLE cards;
DROP TABLE ledger_entries;
DROP TABLE payment_events;
DROP TABLE orders;
DROP TABLE subscriptions;
DROP TABLE plans;
