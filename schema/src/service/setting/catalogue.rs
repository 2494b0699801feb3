//! Every setting the product knows, by category. To add one: a name, a row.

use super::{Definition, Kind};

/// Names that code asks for, so that a typing error is a compile error.
pub mod names {
    pub const SITE_NAME: &str = "site_name";
    pub const SITE_LOGO: &str = "site_logo";
    pub const FOOTER: &str = "footer";
    pub const TIME_ZONE: &str = "time_zone";
    pub const REGISTRATION_ENABLED: &str = "registration_enabled";
    pub const LLM_ENABLED: &str = "llm_enabled";
    pub const NEW_USER_BALANCE: &str = "new_user_balance";
    pub const CREDITS_PER_USD: &str = "credits_per_usd";
    pub const CNY_PER_USD: &str = "cny_per_usd";
    pub const LOGIN_LIMIT: &str = "login_limit";
    pub const LOGIN_WINDOW_SECONDS: &str = "login_window_seconds";
    pub const USAGE_RETENTION_DAYS: &str = "usage_retention_days";
    pub const LOG_RETENTION_DAYS: &str = "log_retention_days";
}

const fn row(
    category: &'static str,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    description: &'static str,
) -> Definition {
    Definition { name, kind, default, category, description, secret: false, editable: true }
}

/// A setting that is sealed and never shown.
#[expect(dead_code, reason = "payment and sign-in providers add the first secret rows")]
const fn secret(category: &'static str, name: &'static str, kind: Kind, description: &'static str) -> Definition {
    Definition { name, kind, default: "", category, description, secret: true, editable: true }
}

/// The list.
pub const CATALOGUE: &[Definition] = &[
    row("site", names::SITE_NAME, Kind::Text(100), "Tollgate", "Name shown to users"),
    row("site", names::SITE_LOGO, Kind::Text(350_000), "", "Address or data URL of the logo"),
    row("site", names::FOOTER, Kind::Text(20_000), "", "Text at the foot of pages"),
    row("site", names::TIME_ZONE, Kind::Text(64), "UTC", "Time zone in which days and months are cut"),
    row("user", names::REGISTRATION_ENABLED, Kind::Bool, "true", "Whether people may register themselves"),
    row("user", names::NEW_USER_BALANCE, Kind::Int(0, 1_000_000_000_000), "0", "Micro-dollars a new user starts with"),
    row(
        "user",
        names::LOGIN_LIMIT,
        Kind::Int(1, 100_000),
        "10",
        "Failed sign-ins per address and per name within the window",
    ),
    row("user", names::LOGIN_WINDOW_SECONDS, Kind::Int(1, 86_400), "300", "Length of the sign-in window"),
    row("llm", names::LLM_ENABLED, Kind::Bool, "true", "Whether model calls are served at all"),
    row("money", names::CREDITS_PER_USD, Kind::Int(1, 1_000_000), "1000", "Credits shown for one US dollar"),
    row("money", names::CNY_PER_USD, Kind::Number(0.01, 1000.0), "7.2", "Yuan for one US dollar"),
    row(
        "log",
        names::USAGE_RETENTION_DAYS,
        Kind::Int(1, 3650),
        "180",
        "Days that single usage rows are kept (rollups stay)",
    ),
    row("log", names::LOG_RETENTION_DAYS, Kind::Int(1, 3650), "30", "Days that request logs are kept"),
];
