DROP TABLE pins;
DROP TABLE models;
DROP TABLE account_events;
DROP TABLE account_group_members;
DROP TABLE account_groups;
DROP TABLE accounts;
DROP TABLE api_keys;
