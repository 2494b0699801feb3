//! The one error of the business, free of any transport.
//!
//! Services return it; each face renders it once, at its rim (GraphQL `extensions.code`, a REST
//! dialect's envelope, a relay dialect's error body). `Display` is safe to show to a caller; what only
//! the log may see stays inside [`Error::Internal`] and [`Error::Unavailable`].

use std::sync::Arc;

/// What every service returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was refused or failed.
#[derive(Clone, Debug)]
pub enum Error {
    /// The caller sent something that cannot be; `field` is a path such as `input.name`.
    Invalid { field: String, why: String },
    /// The thing asked for does not exist, or not for this caller.
    NotFound { what: &'static str },
    /// The state of things forbids it: a duplicate, a lost race, a stale version.
    Conflict { code: &'static str, why: String },
    /// Nobody is signed in, or not any more.
    Unauthenticated { why: String },
    /// Somebody is signed in, but may not.
    Forbidden { why: String },
    /// Not enough in the wallet, the key or the plan.
    QuotaExceeded { code: &'static str, why: String },
    /// Too often; try again after so many seconds.
    RateLimited { retry_after: u64, why: String },
    /// An upstream vendor or payment provider refused or failed.
    Upstream { vendor: String, status: u16, why: String },
    /// Something this needs is not there right now.
    Unavailable { why: String, cause: Option<Arc<str>> },
    /// A fault of ours; the text is for the log alone.
    Internal(Arc<str>),
}

impl Error {
    /// A refusal of one field.
    pub fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), why: why.into() }
    }
    /// A refusal by the state of things, with a code a client may act on.
    pub fn conflict(code: &'static str, why: impl Into<String>) -> Self {
        Self::Conflict { code, why: why.into() }
    }
    /// Nobody is signed in.
    pub fn unauthenticated(why: impl Into<String>) -> Self {
        Self::Unauthenticated { why: why.into() }
    }
    /// The caller may not.
    pub fn forbidden(why: impl Into<String>) -> Self {
        Self::Forbidden { why: why.into() }
    }
    /// A fault of ours; `cause` reaches the log only.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::Internal(cause.to_string().into())
    }
    /// Something this needs is away; `why` is shown, `cause` is logged.
    pub fn unavailable(why: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self::Unavailable { why: why.into(), cause: Some(cause.to_string().into()) }
    }
    /// The vendor's own refusal.
    pub fn upstream(vendor: impl Into<String>, status: u16, why: impl Into<String>) -> Self {
        Self::Upstream { vendor: vendor.into(), status, why: why.into() }
    }

    /// The stable word for this refusal, the same in every face and version.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "BAD_USER_INPUT",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::Conflict { .. } => "CONFLICT",
            Self::Unauthenticated { .. } => "UNAUTHENTICATED",
            Self::Forbidden { .. } => "FORBIDDEN",
            Self::QuotaExceeded { .. } => "QUOTA_EXCEEDED",
            Self::RateLimited { .. } => "RATE_LIMITED",
            Self::Upstream { .. } => "UPSTREAM_ERROR",
            Self::Unavailable { .. } => "UNAVAILABLE",
            Self::Internal(_) => "INTERNAL_SERVER_ERROR",
        }
    }

    /// The finer word inside a code, where there is one (`CARD_USED`, `STALE_VERSION` …).
    pub fn detail_code(&self) -> Option<&'static str> {
        match self {
            Self::Conflict { code, .. } | Self::QuotaExceeded { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The HTTP status that fits, for faces whose system does not say otherwise.
    pub fn status(&self) -> u16 {
        match self {
            Self::Invalid { .. } => 400,
            Self::NotFound { .. } => 404,
            Self::Conflict { .. } => 409,
            Self::Unauthenticated { .. } => 401,
            Self::Forbidden { .. } => 403,
            Self::QuotaExceeded { .. } => 402,
            Self::RateLimited { .. } => 429,
            Self::Upstream { .. } => 502,
            Self::Unavailable { .. } => 503,
            Self::Internal(_) => 500,
        }
    }

    /// What the log should hold beyond the shown text.
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Internal(cause) => Some(cause),
            Self::Unavailable { cause, .. } => cause.as_deref(),
            _ => None,
        }
    }

    /// True when a statement was stopped because it took too long.
    pub fn is_overdue(&self) -> bool {
        matches!(self, Self::Unavailable { why, .. } if why == TOO_LONG)
    }

    /// True when the operator, not the caller, has to act.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Internal(_) | Self::Unavailable { .. })
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Invalid { why, .. }
            | Self::Conflict { why, .. }
            | Self::Unauthenticated { why }
            | Self::Forbidden { why }
            | Self::QuotaExceeded { why, .. }
            | Self::RateLimited { why, .. }
            | Self::Upstream { why, .. }
            | Self::Unavailable { why, .. } => f.write_str(why),
            Self::NotFound { what } => write!(f, "{what} not found"),
            Self::Internal(_) => f.write_str("internal error"),
        }
    }
}

impl std::error::Error for Error {}

impl From<diesel::result::Error> for Error {
    fn from(e: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind as Kind, Error as Diesel};
        match e {
            Diesel::NotFound => Self::NotFound { what: "record" },
            Diesel::DatabaseError(Kind::UniqueViolation, info) => Self::Conflict {
                code: "ALREADY_EXISTS",
                why: format!("already exists ({})", duplicate_of(info.as_ref())),
            },
            Diesel::DatabaseError(Kind::ForeignKeyViolation, _) => {
                Self::conflict("IN_USE", "something else still refers to this, or the thing referred to is gone")
            }
            Diesel::DatabaseError(Kind::ClosedConnection | Kind::UnableToSendCommand, info) => {
                Self::unavailable("the database is not reachable", info.message())
            }
            Diesel::DatabaseError(Kind::Unknown, info) if info.message().ends_with(OVERDUE) => {
                Self::unavailable(TOO_LONG, info.message())
            }
            other => Self::internal(other),
        }
    }
}

/// PostgreSQL's words for a statement that ran out of its time; its code does not reach this far.
const OVERDUE: &str = "due to statement timeout";
/// What is said to whoever waited for it.
const TOO_LONG: &str = "the database took too long; ask for less, or try again";

/// The column a unique violation speaks of, in words that name no secret value.
fn duplicate_of(info: &dyn diesel::result::DatabaseErrorInformation) -> String {
    match info.constraint_name() {
        Some(name) => name.trim_end_matches("_key").to_owned(),
        // SQLite: "UNIQUE constraint failed: users.username_key"
        None => info.message().rsplit(": ").next().unwrap_or("value").to_owned(),
    }
}
