//! Errors as each dialect words them: writing ours, reading the vendors'.

use memchr::memmem;
use serde_json::{Map, Value, json};

use super::Dialect;
use super::hub::HubError;

/// Anthropic's word for a request whose conversation it cannot keep.
pub const NO_THREADS: &str = "thread_unsupported_request";
/// Anthropic's word for a conversation that it does not hold.
pub const NO_SUCH_THREAD: &str = "thread_not_found";

/// What went wrong, in a word every dialect has a counterpart for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is wrong.
    InvalidRequest,
    /// The key is wrong or missing.
    Authentication,
    /// The key may not do this.
    Permission,
    /// There is no money: waiting does not help.
    Billing,
    /// No such model or object.
    NotFound,
    /// It clashes with something under way.
    Conflict,
    /// The request is too big.
    TooLarge,
    /// Too many requests: waiting helps.
    RateLimit,
    /// The vendor is full.
    Overloaded,
    /// It took too long.
    Timeout,
    /// Nobody can serve this now.
    Unavailable,
    /// Something broke.
    Server,
}

/// An error on its way to a caller, or read from a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What went wrong.
    pub kind: Kind,
    /// The HTTP status, where it differs from the kind's usual one.
    pub status: Option<u16>,
    /// What to tell the caller.
    pub message: String,
    /// The vendor's finer code, such as `model_not_found`.
    pub code: Option<String>,
    /// The request field at fault.
    pub param: Option<String>,
}

impl Fault {
    /// An error with the kind's usual status.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, status: None, message: message.into(), code: None, param: None }
    }

    /// The same with a finer code.
    pub fn with_code(self, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    /// The HTTP status to answer with in a dialect.
    pub fn status(&self, dialect: Dialect) -> u16 {
        self.status.unwrap_or(match (self.kind, dialect) {
            (Kind::InvalidRequest, _) => 400,
            (Kind::Authentication, _) => 401,
            (Kind::Permission, _) => 403,
            (Kind::Billing, Dialect::Messages) => 402,
            (Kind::Billing, _) => 429,
            (Kind::NotFound, _) => 404,
            (Kind::Conflict, _) => 409,
            (Kind::TooLarge, _) => 413,
            (Kind::RateLimit, _) => 429,
            (Kind::Overloaded, Dialect::Messages) => 529,
            (Kind::Overloaded | Kind::Unavailable, _) => 503,
            (Kind::Timeout, _) => 504,
            (Kind::Server, _) => 500,
        })
    }

    /// The body a dialect's clients expect.
    pub fn body(&self, dialect: Dialect) -> Vec<u8> {
        self.json(dialect).to_string().into_bytes()
    }

    /// The same as a JSON value.
    pub(crate) fn json(&self, dialect: Dialect) -> Value {
        match dialect {
            Dialect::Chat | Dialect::Responses | Dialect::Completions => json!({"error": {
                "message": self.message,
                "type": openai_type(self.kind),
                "param": self.param,
                "code": self.code.clone().or_else(|| openai_code(self.kind).map(str::to_owned)),
            }}),
            Dialect::Messages => {
                let mut error = json!({"type": anthropic_type(self.kind), "message": self.message});
                // Anthropic's SDKs look here for what becomes of a thread, and go on without one.
                if let Some(code) = self.code.as_deref().filter(|code| code.starts_with("thread_")) {
                    error["details"] = json!({"error_code": code});
                }
                json!({"type": "error", "error": error})
            }
            Dialect::Gemini => json!({"error": {
                "code": self.status(dialect),
                "message": self.message,
                "status": google_status(self.kind),
            }}),
            Dialect::Converse => json!({"message": self.message}),
        }
    }

    /// Bedrock's `x-amzn-ErrorType`, which also names the exception within a stream.
    pub fn bedrock_type(&self) -> &'static str {
        match self.kind {
            Kind::InvalidRequest | Kind::TooLarge | Kind::Conflict => "ValidationException",
            Kind::Authentication => "UnrecognizedClientException",
            Kind::Permission => "AccessDeniedException",
            Kind::Billing => "ServiceQuotaExceededException",
            Kind::NotFound => "ResourceNotFoundException",
            Kind::RateLimit => "ThrottlingException",
            Kind::Overloaded | Kind::Unavailable => "ServiceUnavailableException",
            Kind::Timeout => "ModelTimeoutException",
            Kind::Server => "InternalServerException",
        }
    }

    /// The exception that carries this error within one of Bedrock's streams, which know fewer of them.
    pub fn bedrock_stream_type(&self) -> &'static str {
        match self.kind {
            Kind::RateLimit | Kind::Billing => "throttlingException",
            Kind::Overloaded | Kind::Unavailable => "serviceUnavailableException",
            Kind::Timeout => "modelTimeoutException",
            Kind::InvalidRequest | Kind::TooLarge | Kind::NotFound | Kind::Conflict => "validationException",
            Kind::Authentication | Kind::Permission | Kind::Server => "internalServerException",
        }
    }

    /// Reads a vendor's error answer; anything that is not in the vendor's form still becomes a fault by its status.
    pub fn read(dialect: Dialect, status: u16, body: &[u8]) -> Self {
        let parsed: Option<Value> = serde_json::from_slice(body).ok();
        // A Gemini stream without SSE answers its error inside the array.
        let parsed = match parsed {
            Some(Value::Array(list)) => list.into_iter().next(),
            other => other,
        };
        let Some(Value::Object(map)) = parsed else {
            let kind = kind_of_status(status);
            return Self { status: Some(status), ..Self::new(kind, plain_message(status, body)) };
        };
        Self::read_object(dialect, Some(status), &map)
    }

    /// Reads an error that came as an event within a stream.
    pub(crate) fn read_event(dialect: Dialect, event: &Value) -> Self {
        match event {
            Value::Object(map) => Self::read_object(dialect, None, map),
            _ => Self::new(Kind::Server, "The upstream reported an error."),
        }
    }

    fn read_object(dialect: Dialect, status: Option<u16>, map: &Map<String, Value>) -> Self {
        let inner = match map.get("error") {
            Some(Value::Object(inner)) => inner,
            Some(Value::String(message)) => {
                let kind = status.map_or(Kind::Server, kind_of_status);
                return Self { status, ..Self::new(kind, message.clone()) };
            }
            _ => map,
        };
        let text = |key: &str| {
            inner.get(key).and_then(|value| match value {
                Value::String(text) if !text.is_empty() => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
        };
        let message = ["message", "Message", "detail", "msg"].iter().find_map(|key| text(key));
        let message = message.unwrap_or_else(|| plain_message(status.unwrap_or(500), b""));
        let kind_word = text("type").filter(|word| word != "error");
        let google = text("status");
        let code = text("code").filter(|code| !code.bytes().all(|b| b.is_ascii_digit()));
        // Within a stream there is no status; Google repeats it in the body.
        let status =
            status.or_else(|| inner.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok()));
        let by_word =
            [code.as_deref(), kind_word.as_deref(), google.as_deref()].into_iter().flatten().find_map(kind_of_word);
        let mut kind = by_word.unwrap_or_else(|| status.map_or(Kind::Server, kind_of_status));
        // Money and bad keys hide behind general codes at some vendors.
        if memmem::find(message.as_bytes(), b"credit balance is too low").is_some() {
            kind = Kind::Billing;
        }
        if dialect == Dialect::Gemini && details_say(inner, "API_KEY_INVALID") {
            kind = Kind::Authentication;
        }
        Self { kind, status, message, code, param: text("param") }
    }
}

impl From<HubError> for Fault {
    fn from(error: HubError) -> Self {
        let message = error.to_string();
        match error {
            HubError::Invalid { field, .. } => Self { param: Some(field), ..Self::new(Kind::InvalidRequest, message) },
            HubError::Unsupported { field, .. } => {
                let code = if field == "thread" { NO_THREADS } else { "unsupported_parameter" };
                Self { param: Some(field), ..Self::new(Kind::InvalidRequest, message).with_code(code) }
            }
            HubError::Upstream { .. } => Self { status: Some(502), ..Self::new(Kind::Server, message) },
        }
    }
}

fn details_say(error: &Map<String, Value>, reason: &str) -> bool {
    let details = error.get("details").and_then(Value::as_array);
    details.is_some_and(|list| list.iter().any(|one| one.get("reason").and_then(Value::as_str) == Some(reason)))
}

fn plain_message(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    // A proxy's HTML page tells a caller nothing.
    if text.is_empty() || text.starts_with('<') {
        return format!("The upstream answered with status {status}.");
    }
    text.chars().take(500).collect()
}

fn kind_of_status(status: u16) -> Kind {
    match status {
        401 => Kind::Authentication,
        402 => Kind::Billing,
        403 => Kind::Permission,
        404 => Kind::NotFound,
        408 | 504 => Kind::Timeout,
        409 => Kind::Conflict,
        413 => Kind::TooLarge,
        429 => Kind::RateLimit,
        503 => Kind::Unavailable,
        529 => Kind::Overloaded,
        400..=499 => Kind::InvalidRequest,
        _ => Kind::Server,
    }
}

fn kind_of_word(word: &str) -> Option<Kind> {
    let short = word.split(['#', ':']).next_back().unwrap_or(word);
    Some(match short {
        "invalid_request_error"
        | "INVALID_ARGUMENT"
        | "FAILED_PRECONDITION"
        | "OUT_OF_RANGE"
        | "ValidationException"
        | "validationException"
        | "content_filter"
        | "context_length_exceeded"
        | "invalid_prompt" => Kind::InvalidRequest,
        "authentication_error"
        | "invalid_api_key"
        | "UNAUTHENTICATED"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "ExpiredTokenException" => Kind::Authentication,
        "permission_error" | "PERMISSION_DENIED" | "AccessDeniedException" => Kind::Permission,
        "billing_error" | "insufficient_quota" | "usage_limit_reached" | "billing_hard_limit_reached" => Kind::Billing,
        "not_found_error" | "model_not_found" | "NOT_FOUND" | "ResourceNotFoundException" | "DeploymentNotFound" => {
            Kind::NotFound
        }
        "conflict_error" | "ABORTED" | "ALREADY_EXISTS" => Kind::Conflict,
        "request_too_large" => Kind::TooLarge,
        "rate_limit_error"
        | "rate_limit_exceeded"
        | "RESOURCE_EXHAUSTED"
        | "ThrottlingException"
        | "throttlingException"
        | "ModelNotReadyException"
        | "rate_limit_reached" => Kind::RateLimit,
        "overloaded_error"
        | "server_is_overloaded"
        | "slow_down"
        | "serviceUnavailableException"
        | "ServiceUnavailableException" => Kind::Overloaded,
        "timeout_error" | "DEADLINE_EXCEEDED" | "ModelTimeoutException" | "modelTimeoutException" => Kind::Timeout,
        "UNAVAILABLE" => Kind::Unavailable,
        "api_error"
        | "server_error"
        | "INTERNAL"
        | "InternalServerException"
        | "internalServerException"
        | "ModelErrorException"
        | "modelStreamErrorException" => Kind::Server,
        _ => return None,
    })
}

fn openai_type(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest | Kind::NotFound | Kind::Conflict | Kind::TooLarge | Kind::Authentication => {
            "invalid_request_error"
        }
        Kind::Permission => "permission_error",
        Kind::Billing => "insufficient_quota",
        Kind::RateLimit => "rate_limit_error",
        Kind::Overloaded | Kind::Timeout | Kind::Unavailable | Kind::Server => "server_error",
    }
}

fn openai_code(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Authentication => Some("invalid_api_key"),
        Kind::Billing => Some("insufficient_quota"),
        Kind::RateLimit => Some("rate_limit_exceeded"),
        Kind::Overloaded => Some("server_is_overloaded"),
        _ => None,
    }
}

fn anthropic_type(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest => "invalid_request_error",
        Kind::Authentication => "authentication_error",
        Kind::Permission => "permission_error",
        Kind::Billing => "billing_error",
        Kind::NotFound => "not_found_error",
        Kind::Conflict => "conflict_error",
        Kind::TooLarge => "request_too_large",
        Kind::RateLimit => "rate_limit_error",
        Kind::Overloaded => "overloaded_error",
        Kind::Timeout => "timeout_error",
        Kind::Unavailable | Kind::Server => "api_error",
    }
}

fn google_status(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest | Kind::TooLarge => "INVALID_ARGUMENT",
        Kind::Authentication => "UNAUTHENTICATED",
        Kind::Permission => "PERMISSION_DENIED",
        Kind::NotFound => "NOT_FOUND",
        Kind::Conflict => "ABORTED",
        Kind::Billing | Kind::RateLimit => "RESOURCE_EXHAUSTED",
        Kind::Overloaded | Kind::Unavailable => "UNAVAILABLE",
        Kind::Timeout => "DEADLINE_EXCEEDED",
        Kind::Server => "INTERNAL",
    }
}

#[cfg(test)]
mod tests;
