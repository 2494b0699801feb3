DROP TABLE tasks;
DROP TABLE call_contents;
DROP TABLE usage_totals;
DROP TABLE usage_hourly;
DROP TABLE usage;
