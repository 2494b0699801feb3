//! What a caller is told: codes on every error, internals kept back, no `data` where nothing was executed,
//! and the one function that chooses the HTTP status.

use std::collections::BTreeMap;

use async_graphql::{Response, ServerError, Value};
use http::{HeaderMap, StatusCode};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{
    ErrorReport, Gate, OperationInfo,
    admit::Refusal,
    bucket::Throttle,
    code::{Code, Fault, HttpFault},
    limits::Limits,
    media::Media,
};

/// Whether an answer carries a result or a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Execution was reached; there is a `data` key.
    Executed,
    /// It was not; there is none.
    Refused(Code),
    /// HTTP has its own word for the refusal.
    Http(HttpFault),
}

/// The status of an answer. The one place that decides it: the audits of today want 400 for every refusal
/// of a document under `application/graphql-response+json` and 200 under `application/json`.
pub fn status(verdict: Verdict, media: Media) -> StatusCode {
    match (verdict, media) {
        (Verdict::Executed, _) => StatusCode::OK,
        (Verdict::Http(fault), _) => match fault {
            HttpFault::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            HttpFault::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            HttpFault::SlowBody => StatusCode::REQUEST_TIMEOUT,
            HttpFault::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            HttpFault::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        },
        (Verdict::Refused(code), media) => match (code, media) {
            (Code::BadRequest, _) => StatusCode::BAD_REQUEST,
            (Code::Unauthenticated, _) => StatusCode::UNAUTHORIZED,
            (Code::Forbidden, _) => StatusCode::FORBIDDEN,
            (Code::RateLimited, _) => StatusCode::TOO_MANY_REQUESTS,
            (Code::Timeout, _) => StatusCode::GATEWAY_TIMEOUT,
            (Code::Internal, _) => StatusCode::INTERNAL_SERVER_ERROR,
            (_, Media::GraphqlResponse) => StatusCode::BAD_REQUEST,
            (_, Media::Json) => StatusCode::OK,
        },
    }
}

/// An answer ready to be written.
#[derive(Debug)]
pub struct Answer {
    /// What it amounts to.
    pub verdict: Verdict,
    /// Shaped errors, at most as many as are told.
    pub errors: Vec<ServerError>,
    /// `None` when execution was not reached.
    pub data: Option<Value>,
    /// `extensions` of the answer.
    pub extensions: BTreeMap<String, Value>,
    /// The bucket, for the headers.
    pub throttle: Option<Throttle>,
    /// Headers resolvers asked for.
    pub headers: HeaderMap,
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.errors.is_empty() {
            map.serialize_entry("errors", &self.errors)?;
        }
        if let Some(data) = &self.data {
            map.serialize_entry("data", data)?;
        }
        if !self.extensions.is_empty() {
            map.serialize_entry("extensions", &self.extensions)?;
        }
        map.end()
    }
}

impl Answer {
    /// The answer to a request that was refused as a whole.
    pub fn refusal<G: Gate>(gate: &G, request_id: &str, refusal: impl Into<Refusal>) -> Self {
        let Refusal { fault, charged } = refusal.into();
        gate.on_error(&ErrorReport {
            request_id,
            operation: None,
            code: fault.code,
            message: &fault.message,
            path: &[],
        });
        let mut error = fault.to_error();
        error.extensions.get_or_insert_default().set("requestId", request_id);
        let mut answer = Self {
            verdict: fault.http.map_or(Verdict::Refused(fault.code), Verdict::Http),
            errors: vec![error],
            data: None,
            extensions: BTreeMap::new(),
            throttle: None,
            headers: HeaderMap::new(),
        };
        if let Some((points, throttle)) = charged {
            answer.tell_cost(points, throttle);
        }
        answer
    }

    /// The answer the executor gave, shaped.
    pub fn executed<G: Gate>(gate: &G, limits: &Limits, info: &OperationInfo, response: Response) -> Self {
        let refused = response.data == Value::Null
            && !response.errors.is_empty()
            && response.errors.iter().all(|error| error.path.is_empty());
        let mut first = None;
        let errors: Vec<_> = response
            .errors
            .into_iter()
            .take(limits.errors)
            .map(|error| {
                let (code, error) = shape(gate, info, error);
                first.get_or_insert(code);
                error
            })
            .collect();
        Self {
            verdict: match first {
                Some(code) if refused => Verdict::Refused(code),
                _ => Verdict::Executed,
            },
            errors,
            data: (!refused).then_some(response.data),
            extensions: response.extensions,
            throttle: None,
            headers: response.http_headers,
        }
    }

    /// Adds `extensions.cost`.
    pub fn tell_cost(&mut self, points: u64, throttle: Throttle) {
        let cost = async_graphql::value!({
            "requested": points,
            "throttle": {
                "max": throttle.max,
                "available": throttle.available,
                "restoreRate": throttle.restore_rate,
            }
        });
        self.extensions.insert("cost".to_owned(), cost);
        self.throttle = Some(throttle);
    }

    /// The code of the refusal, if it is one.
    pub fn refused(&self) -> Option<Code> {
        match self.verdict {
            Verdict::Executed => None,
            Verdict::Refused(code) => Some(code),
            Verdict::Http(_) => Some(Code::BadRequest),
        }
    }
}

/// Gives an error its code and id, and hides what is not for the caller.
fn shape<G: Gate>(gate: &G, info: &OperationInfo, mut error: ServerError) -> (Code, ServerError) {
    let named = error.extensions.as_ref().and_then(|extensions| match extensions.get("code") {
        Some(Value::String(word)) => Some(Code::parse(word)),
        Some(_) => Some(None),
        None => None,
    });
    let code = match named {
        Some(code) => code.unwrap_or(Code::Internal),
        None => infer(&error),
    };
    gate.on_error(&ErrorReport {
        request_id: &info.request_id,
        operation: info.name.as_deref(),
        code,
        message: &error.message,
        path: &error.path,
    });
    error.source = None;
    if code == Code::Internal {
        error.message = "Internal error.".to_owned();
        error.extensions = None;
    } else {
        // Neither corrections, which tell the schema, nor the executor's way through the types.
        for end in [" Did you mean", " (occurred while parsing "] {
            if let Some(end) = error.message.find(end) {
                error.message.truncate(end);
            }
        }
    }
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("code", code.as_str());
    extensions.set("requestId", &*info.request_id);
    (code, error)
}

/// The code of an error that names none. Without a path it comes from validation; with one it comes from
/// a resolver, unless the executor itself could not read an argument.
fn infer(error: &ServerError) -> Code {
    const COERCION: [&str; 4] =
        ["Invalid value for argument", "Expected input type", "Failed to parse \"", "Variable "];
    let coercion = COERCION.iter().any(|start| error.message.starts_with(start));
    if error.path.is_empty() {
        // Validation's sentences about variables are about how the document declares them.
        if coercion && !error.message.starts_with("Variable ") {
            return Code::BadUserInput;
        }
        return match error.message.as_str() {
            message if message.starts_with("Unknown operation named") => Code::OperationResolution,
            "Operation name required in request." => Code::OperationResolution,
            _ => Code::ValidationFailed,
        };
    }
    if coercion && error.source.is_none() { Code::BadUserInput } else { Code::Internal }
}

/// A refusal for a fault of ours.
pub fn internal() -> Fault {
    Fault::new(Code::Internal, "Internal error.")
}
