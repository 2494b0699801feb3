//! What is kept and for how long; how often callers of each face may ask.

use super::super::{Definition, Kind};
use super::{names, row};

pub(super) const ROWS: &[Definition] = &[
    row("log", names::RECORD_CONTENT, Kind::Bool, "false", "Whether prompts and answers are stored"),
    row(
        "log",
        names::RECORD_CONTENT_CHARS,
        Kind::Int(100, 200_000),
        "8000",
        "Characters of each prompt and answer that are stored",
    ),
    row("log", names::CONTENT_RETENTION_DAYS, Kind::Int(1, 3650), "30", "Days that prompts and answers are kept"),
    row("log", names::EVENT_RETENTION_DAYS, Kind::Int(1, 3650), "90", "Days that health events of accounts are kept"),
    row("log", names::AUDIT_RETENTION_DAYS, Kind::Int(30, 36_500), "1095", "Days that the audit log is kept"),
    row(
        "log",
        names::USAGE_RETENTION_DAYS,
        Kind::Int(1, 3650),
        "180",
        "Days that single usage rows are kept (rollups stay)",
    ),
    row("log", names::LOG_SAMPLE_PERCENT, Kind::Int(0, 100), "100", "How many in a hundred requests are logged"),
    row("log", names::LOG_RETENTION_DAYS, Kind::Int(1, 3650), "30", "Days that request logs are kept"),
    row("log", names::EXPORT_HOURS, Kind::Int(1, 720), "24", "Hours that a finished export can be downloaded"),
    row(
        "log",
        names::EXPORT_MOST_ROWS,
        Kind::Int(1_000, 100_000_000),
        "1000000",
        "Rows one export may have; what is longer is refused and has to be narrowed",
    ),
    row(
        "limit",
        names::GRAPHQL_POINTS,
        Kind::Int(10_000, 1_000_000_000_000),
        "50000",
        "GraphQL: points one caller may spend at once; one operation costs at most 10000",
    ),
    row(
        "limit",
        names::GRAPHQL_POINTS_PER_SECOND,
        Kind::Int(1, 1_000_000_000_000),
        "2000",
        "GraphQL: points that come back to each caller every second",
    ),
    row(
        "limit",
        names::MASSROUTER_USER_LIMIT,
        Kind::Int(1, 1_000_000_000),
        "1000",
        "massrouter: requests an hour of one signed-in caller",
    ),
    row(
        "limit",
        names::MASSROUTER_ANONYMOUS_LIMIT,
        Kind::Int(1, 1_000_000_000),
        "100",
        "massrouter: requests an hour of one address without a credential",
    ),
    row(
        "limit",
        names::LEDGER_LOGIN_LIMIT,
        Kind::Int(1, 1_000_000_000),
        "5",
        "ledger: sign-ins a minute of one address",
    ),
    row(
        "limit",
        names::LEDGER_ADMIN_LIMIT,
        Kind::Int(1, 1_000_000_000),
        "100",
        "ledger: management requests a minute of one caller",
    ),
    row(
        "limit",
        names::LEDGER_BATCH_LIMIT,
        Kind::Int(1, 1_000_000_000),
        "10",
        "ledger: batch requests a minute of one caller",
    ),
    row(
        "limit",
        names::NEWAPI_LOGIN_LIMIT,
        Kind::Int(1, 1_000_000_000),
        "20",
        "newapi: sign-ins of one address in 20 minutes",
    ),
];
