//! Saying no, in the words of whoever asked: the vendor's form at the vendor's paths, the documented bodies of
//! the commercial doors, the task services' envelopes.
//!
//! Why something is refused is decided elsewhere.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use schema::model::api_key::{Permissions, Service};
use serde_json::{Value, json};

use super::route::Mount;
use crate::convert::fault::Kind;
use crate::convert::{self, Fault};
use crate::provider::Dialect;

/// Tells the vendors' SDKs whether trying again can help.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// What OpenAI says where there is no key.
const NO_OPENAI_KEY: &str = "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).";
/// What is said of a key that does not hold.
const WRONG_OPENAI_KEY: &str = "Incorrect API key provided. The key is unknown, disabled or expired.";

/// Whom a refusal is said to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ear {
    /// The door.
    pub mount: Mount,
    /// The client's dialect.
    pub dialect: Dialect,
}

/// What was wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// There was none.
    Missing,
    /// It is not known, or not any more; which of them is not told to strangers.
    Wrong,
}

/// The dialect whose error form a client of `dialect` reads.
pub const fn spoken(dialect: Dialect) -> convert::Dialect {
    match dialect {
        Dialect::Messages => convert::Dialect::Messages,
        Dialect::Gemini | Dialect::CodeAssist => convert::Dialect::Gemini,
        Dialect::Invoke | Dialect::Converse => convert::Dialect::Converse,
        Dialect::Responses => convert::Dialect::Responses,
        Dialect::Completions => convert::Dialect::Completions,
        _ => convert::Dialect::Chat,
    }
}

impl Ear {
    const fn is_task(self) -> bool {
        matches!(self.dialect, Dialect::Midjourney | Dialect::Suno | Dialect::Kling | Dialect::Video)
    }

    /// A refusal with the moment, in seconds from now, from which asking again makes sense.
    pub fn refuse(self, fault: &Fault, retry_after: Option<u64>) -> Response<Body> {
        let dialect = spoken(self.dialect);
        let status = StatusCode::from_u16(fault.status(dialect)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body =
            if self.is_task() { task_body(self.dialect, fault).to_string().into_bytes() } else { fault.body(dialect) };
        let mut response = self.say(status, body, &fault.message);
        if dialect == convert::Dialect::Converse {
            error_type(&mut response, fault.bedrock_type());
        }
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        // Neither a wrong key nor an empty purse gets better by asking again at once.
        if matches!(fault.kind, Kind::Authentication | Kind::Permission | Kind::Billing) {
            response.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        response
    }

    /// A refusal at the vendors' own paths says why in New-API's words as well where the key is at fault: the
    /// vendors' SDKs do not look at what stands beside their own fields.
    fn say(self, status: StatusCode, body: Vec<u8>, message: &str) -> Response<Body> {
        let keys_fault = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if self.mount == Mount::Root && keys_fault { plain(status, beside(body, message)) } else { plain(status, body) }
    }

    /// A key that is missing or wrong.
    pub fn bad_key(self, what: KeyFault) -> Response<Body> {
        let mut response = if self.mount.is_commercial() {
            let body = json!({"error": "Invalid API key", "message": "API key is invalid or expired"});
            plain(StatusCode::UNAUTHORIZED, body.to_string().into_bytes())
        } else if self.mount == Mount::Azure {
            let body = json!({"error": {"code": "401", "message": "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource."}});
            plain(StatusCode::UNAUTHORIZED, body.to_string().into_bytes())
        } else {
            self.vendors_bad_key(what)
        };
        if spoken(self.dialect) == convert::Dialect::Converse {
            error_type(&mut response, "UnrecognizedClientException");
        }
        response.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        response
    }

    fn vendors_bad_key(self, what: KeyFault) -> Response<Body> {
        let missing = what == KeyFault::Missing;
        if self.is_task() {
            let text = if missing { "No API key was given." } else { "The API key is invalid or expired." };
            return plain(
                StatusCode::UNAUTHORIZED,
                task_body(self.dialect, &Fault::new(Kind::Authentication, text)).to_string().into_bytes(),
            );
        }
        match spoken(self.dialect) {
            convert::Dialect::Gemini => {
                let (status, text, body) = gemini_bad_key(missing);
                self.say(status, body.to_string().into_bytes(), text)
            }
            convert::Dialect::Messages => {
                let text = if missing { "x-api-key header is required" } else { "invalid x-api-key" };
                let body = Fault::new(Kind::Authentication, text).body(convert::Dialect::Messages);
                self.say(StatusCode::UNAUTHORIZED, body, text)
            }
            other => {
                let text = if missing { NO_OPENAI_KEY } else { WRONG_OPENAI_KEY };
                let body = if missing {
                    let error = json!({"message": text, "type": "invalid_request_error", "param": null, "code": null});
                    json!({ "error": error }).to_string().into_bytes()
                } else {
                    Fault::new(Kind::Authentication, text).with_code("invalid_api_key").body(other)
                };
                self.say(StatusCode::UNAUTHORIZED, body, text)
            }
        }
    }

    /// A key that may not use a service.
    pub fn denied(self, permissions: &Permissions, service: Service) -> Response<Body> {
        let message = format!("This API key does not have permission to access {service} service");
        if !self.mount.is_commercial() {
            return self.refuse(&Fault::new(Kind::Permission, message).with_code("permission_denied"), None);
        }
        let body = json!({
            "error": "Access denied",
            "message": message,
            "keyPermissions": permissions.render(),
            "requestedService": service.as_str(),
        });
        let mut response = plain(StatusCode::FORBIDDEN, body.to_string().into_bytes());
        if spoken(self.dialect) == convert::Dialect::Converse {
            error_type(&mut response, "AccessDeniedException");
        }
        response.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        response
    }
}

/// Google calls a wrong key a bad request and a missing one a missing permission.
fn gemini_bad_key(missing: bool) -> (StatusCode, &'static str, Value) {
    if missing {
        let text = "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.";
        let body = json!({"error": {"code": 403, "message": text, "status": "PERMISSION_DENIED"}});
        return (StatusCode::FORBIDDEN, text, body);
    }
    let text = "API key not valid. Please pass a valid API key.";
    let body = json!({"error": {
        "code": 400,
        "message": text,
        "status": "INVALID_ARGUMENT",
        "details": [{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
            "metadata": {"service": "generativelanguage.googleapis.com"},
        }],
    }});
    (StatusCode::BAD_REQUEST, text, body)
}

/// An object with New-API's two words of failure behind its own members.
fn beside(mut object: Vec<u8>, message: &str) -> Vec<u8> {
    if object.pop() == Some(b'}') {
        object.extend_from_slice(b",\"success\":false,\"message\":");
        object.extend_from_slice(Value::from(message).to_string().as_bytes());
    }
    object.push(b'}');
    object
}

/// What the clients of a task service read, with New-API's documented envelope beside.
fn task_body(dialect: Dialect, fault: &Fault) -> Value {
    let code = fault.code.as_deref().unwrap_or(word(fault.kind));
    let message = &fault.message;
    let mut body = json!({
        "success": false,
        "message": message,
        "error": {"message": message, "type": word(fault.kind), "param": fault.param, "code": code},
    });
    match dialect {
        Dialect::Midjourney => {
            body["code"] = midjourney_code(fault.kind).into();
            body["description"] = message.as_str().into();
            body["type"] = code.into();
            body["result"] = Value::Null;
        }
        Dialect::Kling => {
            body["code"] = kling_code(fault.kind).into();
            body["request_id"] = schema::id::uuid().into();
            body["data"] = Value::Null;
        }
        _ => {
            body["code"] = code.into();
            body["data"] = Value::Null;
        }
    }
    body
}

/// Midjourney-proxy's numbers: nothing found or nobody to do it, a request that is wrong, a full queue.
const fn midjourney_code(kind: Kind) -> i64 {
    match kind {
        Kind::NotFound | Kind::Unavailable => 3,
        Kind::RateLimit | Kind::Overloaded => 23,
        Kind::Timeout | Kind::Server => 9,
        _ => 4,
    }
}

/// Kling's numbers.
const fn kling_code(kind: Kind) -> i64 {
    match kind {
        Kind::Authentication => 1002,
        Kind::Permission => 1103,
        Kind::Billing => 1102,
        Kind::InvalidRequest | Kind::TooLarge => 1201,
        Kind::Conflict => 1200,
        Kind::NotFound => 1203,
        Kind::RateLimit => 1302,
        Kind::Overloaded | Kind::Unavailable => 5001,
        Kind::Timeout => 5002,
        Kind::Server => 5000,
    }
}

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest => "invalid_request",
        Kind::Authentication => "invalid_api_key",
        Kind::Permission => "permission_denied",
        Kind::Billing => "insufficient_quota",
        Kind::NotFound => "not_found",
        Kind::Conflict => "conflict",
        Kind::TooLarge => "request_too_large",
        Kind::RateLimit => "rate_limit_exceeded",
        Kind::Overloaded => "overloaded",
        Kind::Timeout => "timeout",
        Kind::Unavailable => "unavailable",
        Kind::Server => "server_error",
    }
}

fn error_type(response: &mut Response<Body>, kind: &'static str) {
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(kind));
}

/// A JSON answer.
pub fn plain(status: StatusCode, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
