//! Errors on their way into the graph: expected refusals of a mutation become `userErrors`, the rest
//! top-level errors with `extensions.code`.
//!
//! `Fault` must never implement `Display`: async-graphql turns anything displayable into an error
//! without a code, and `?` would take that way silently.

use async_graphql::{Enum, ErrorExtensions, SimpleObject};
use schema::Error;

/// A service's error as a resolver returns it.
#[derive(Clone, Debug)]
pub struct Fault(pub Error);

/// What a resolver returns.
pub type Result<T> = std::result::Result<T, Fault>;

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Fault> for async_graphql::Error {
    fn from(Fault(error): Fault) -> Self {
        // The list of codes on the wire is closed; finer words travel beside them.
        let code = match error.code() {
            "QUOTA_EXCEEDED" => "CONFLICT",
            "UNAVAILABLE" if error.is_overdue() => "TIMEOUT",
            "UPSTREAM_ERROR" | "UNAVAILABLE" => "INTERNAL_SERVER_ERROR",
            code => code,
        };
        let text = match error.cause() {
            // The transport logs the text of internal errors and shows none of it.
            Some(cause) if code != "TIMEOUT" => format!("{error}: {cause}"),
            _ => error.to_string(),
        };
        async_graphql::Error::new(text).extend_with(|_, e| {
            e.set("code", code);
            if let Some(detail) = error.detail_code() {
                e.set("detail", detail);
            }
            if let Error::Invalid { field, .. } = &error {
                e.set("field", field.as_str());
            }
            if let Error::RateLimited { retry_after, .. } = &error {
                e.set("retryAfter", *retry_after);
            }
        })
    }
}

/// Why a change was refused.
#[derive(Enum, Copy, Clone, Debug, Eq, PartialEq)]
pub enum UserErrorCode {
    /// A value does not fit; `field` says which.
    Invalid,
    /// What was named does not exist, or not for this caller.
    NotFound,
    /// The state of things forbids it.
    Conflict,
    /// Somebody else changed it in the meantime; read it again.
    StaleVersion,
    /// It exists already.
    AlreadyExists,
    /// Something else still refers to it.
    InUse,
    /// Not enough in the wallet, the key or the plan.
    QuotaExceeded,
    /// The idempotency key was used with another input.
    IdempotencyKeyReused,
    /// The same request is being worked on.
    IdempotencyInProgress,
    /// Wrong name or password.
    WrongCredentials,
    /// The last super admin would be lost.
    LastAdmin,
    /// The card was used.
    CardUsed,
    /// The card has expired.
    CardExpired,
    /// An upstream vendor or payment provider refused or failed.
    Upstream,
}

/// One reason why a change was refused. What was refused changed nothing.
#[derive(SimpleObject, Clone, Debug)]
pub struct UserError {
    /// Path of the field at fault inside `input`, outermost first; null when it is no single field.
    pub field: Option<Vec<String>>,
    /// For people.
    pub message: String,
    /// For programs.
    pub code: UserErrorCode,
    /// The finer word of the code, where there is one.
    pub detail: Option<String>,
    /// Position in the list that was sent, for bulk changes.
    pub index: Option<i32>,
}

impl UserError {
    /// An expected refusal as a user error; anything else stays a fault.
    pub fn expected(error: Error) -> Result<Self> {
        let code = match &error {
            Error::Invalid { .. } => UserErrorCode::Invalid,
            Error::NotFound { .. } => UserErrorCode::NotFound,
            Error::QuotaExceeded { .. } => UserErrorCode::QuotaExceeded,
            Error::Upstream { .. } => UserErrorCode::Upstream,
            Error::Conflict { code, .. } => match *code {
                "STALE_VERSION" => UserErrorCode::StaleVersion,
                "IN_USE" | "PLAN_IN_USE" => UserErrorCode::InUse,
                "CARD_NOT_FOUND" => UserErrorCode::NotFound,
                "IDEMPOTENCY_KEY_REUSED" => UserErrorCode::IdempotencyKeyReused,
                "IDEMPOTENCY_IN_PROGRESS" => UserErrorCode::IdempotencyInProgress,
                "LAST_ADMIN" => UserErrorCode::LastAdmin,
                "CARD_USED" => UserErrorCode::CardUsed,
                "CARD_EXPIRED" => UserErrorCode::CardExpired,
                code if code.ends_with("_TAKEN") || code.ends_with("_EXISTS") => UserErrorCode::AlreadyExists,
                _ => UserErrorCode::Conflict,
            },
            _ => return Err(Fault(error)),
        };
        let field = match &error {
            Error::Invalid { field, .. } => Some(field.split('.').map(str::to_owned).collect()),
            _ => None,
        };
        Ok(Self {
            field,
            message: error.to_string(),
            code,
            detail: error.detail_code().map(str::to_owned),
            index: None,
        })
    }
}

impl UserError {
    /// The same error, of one item of a list.
    #[must_use]
    pub fn at(mut self, index: usize) -> Self {
        self.index = i32::try_from(index).ok();
        self
    }
}

/// Splits a service's answer into the value and the expected refusals.
pub fn split<T>(answer: schema::Result<T>) -> Result<(Option<T>, Vec<UserError>)> {
    match answer {
        Ok(value) => Ok((Some(value), Vec::new())),
        Err(error) => Ok((None, vec![UserError::expected(error)?])),
    }
}

/// Collects what became of the items of a bulk change: each is done by itself, in the order given.
pub fn gather<T>(answers: impl IntoIterator<Item = schema::Result<T>>) -> Result<(Vec<T>, Vec<UserError>)> {
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    for (index, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(value) => done.push(value),
            Err(error) => refused.push(UserError::expected(error)?.at(index)),
        }
    }
    Ok((done, refused))
}
