//! The closed list of error codes a caller may see, and `Fault`: a refusal of a whole request.
//! Errors of single fields are shaped in `answer`; what a code means for HTTP is decided there too.

use std::{borrow::Cow, time::Duration};

use async_graphql::{Pos, ServerError, Value};

/// Every value `extensions.code` can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The document is not GraphQL.
    ParseFailed,
    /// The document does not fit the schema or the limits on documents.
    ValidationFailed,
    /// A variable or an argument has a wrong value.
    BadUserInput,
    /// The request itself is malformed.
    BadRequest,
    /// The caller has to sign in.
    Unauthenticated,
    /// The caller is known and may not do this.
    Forbidden,
    /// What was named does not exist, or not for this caller.
    NotFound,
    /// The state of the thing does not admit the change.
    Conflict,
    /// The caller's points or calls are used up for now.
    RateLimited,
    /// The operation alone costs more than any may.
    CostLimit,
    /// The operation took too long and was stopped.
    Timeout,
    /// A fault of ours, told only to the log.
    Internal,
    /// No such operation in the document, or it is not clear which.
    OperationResolution,
    /// No trusted document has this hash.
    PersistedQueryNotFound,
}

impl Code {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::ValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::BadRequest => "BAD_REQUEST",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::RateLimited => "RATE_LIMITED",
            Self::CostLimit => "COST_LIMIT",
            Self::Timeout => "TIMEOUT",
            Self::Internal => "INTERNAL_SERVER_ERROR",
            Self::OperationResolution => "OPERATION_RESOLUTION_FAILURE",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
        }
    }

    /// The code a resolver named, if it is one of ours.
    pub fn parse(word: &str) -> Option<Self> {
        const ALL: [Code; 14] = [
            Code::ParseFailed,
            Code::ValidationFailed,
            Code::BadUserInput,
            Code::BadRequest,
            Code::Unauthenticated,
            Code::Forbidden,
            Code::NotFound,
            Code::Conflict,
            Code::RateLimited,
            Code::CostLimit,
            Code::Timeout,
            Code::Internal,
            Code::OperationResolution,
            Code::PersistedQueryNotFound,
        ];
        ALL.into_iter().find(|code| code.as_str() == word)
    }
}

/// Where HTTP has a status of its own for a refusal, whatever the media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpFault {
    /// 405, with the methods that would do.
    Method(&'static str),
    /// 406.
    NotAcceptable,
    /// 408: the body did not arrive in time.
    SlowBody,
    /// 413.
    TooLarge,
    /// 415.
    MediaType,
}

/// A refusal of a request before anything of it was executed.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What kind of refusal.
    pub code: Code,
    /// For people; never holds secrets or internals.
    pub message: Cow<'static, str>,
    /// Places in the document, where there are any.
    pub locations: Vec<Pos>,
    /// Set when HTTP itself knows the refusal.
    pub http: Option<HttpFault>,
    /// When it makes sense to try again.
    pub retry_after: Option<Duration>,
}

impl Fault {
    /// A refusal with a code and a sentence.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), locations: Vec::new(), http: None, retry_after: None }
    }

    /// A malformed request.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::BadRequest, message)
    }

    /// A document that breaks a rule or a limit.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::ValidationFailed, message)
    }

    /// A refusal HTTP has its own status for.
    pub fn http(http: HttpFault, message: impl Into<Cow<'static, str>>) -> Self {
        Self { http: Some(http), ..Self::bad_request(message) }
    }

    /// The same refusal, pointing at a place in the document.
    #[must_use]
    pub fn at(mut self, pos: Pos) -> Self {
        self.locations.push(pos);
        self
    }

    /// The same refusal as an error of a GraphQL answer.
    pub fn to_error(&self) -> ServerError {
        let mut error = ServerError::new(self.message.clone(), None);
        error.locations = self.locations.clone();
        let extensions = error.extensions.get_or_insert_default();
        extensions.set("code", self.code.as_str());
        if let Some(wait) = self.retry_after {
            extensions.set("retryAfter", Value::from(whole_seconds(wait)));
        }
        error
    }
}

/// A wait in whole seconds, never less than one: what `Retry-After` can say.
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX)
}
