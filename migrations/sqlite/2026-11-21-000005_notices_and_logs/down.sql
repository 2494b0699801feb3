DROP TABLE request_logs;
DROP TABLE announcement_reads;
DROP TABLE announcements;
