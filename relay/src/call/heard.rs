//! A call as it was heard: everything that admission, choice and sending need, and nothing of the connection.

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use schema::Time;

use crate::convert::edit::{Body, BodyError};
use crate::edge::Origin;
use crate::ingress::refuse::Ear;
use crate::ingress::route::CallRoute;
use crate::provider::client::{self, Client, Sight};
use crate::provider::{Dialect, Operation};
use crate::wire::{multipart, percent};

/// What came as a body.
#[derive(Clone, Debug)]
pub enum Content {
    /// Nothing.
    Empty,
    /// A JSON object, looked through once.
    Json(Body),
    /// Anything else, forwarded as it is.
    Raw(Bytes),
}

/// A call.
#[derive(Debug)]
pub struct Call {
    /// Unique; what is billed is billed under it.
    pub id: String,
    /// When it began.
    pub at: Time,
    /// The same, for measuring.
    pub began: Instant,
    /// Where it comes from.
    pub origin: Origin,
    /// Whom refusals are said to.
    pub ear: Ear,
    /// The client's dialect.
    pub dialect: Dialect,
    /// What is to be done.
    pub operation: Operation,
    /// The client's method.
    pub method: Method,
    /// The path behind the dialect's root, for calls that follow it.
    pub tail: String,
    /// The query, without `?`.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub content: Content,
    /// The model as the client named it; what is billed.
    pub model: String,
    /// Whether the answer streams.
    pub stream: bool,
    /// Whether a chat stream's usage was asked for.
    pub wants_usage: bool,
    /// Whether a Gemini stream is wanted as one array.
    pub json_array: bool,
    /// Which program is calling.
    pub client: Client,
    /// The account that the caller names, which administrators may.
    pub account: Option<i64>,
}

/// A request whose body has been read.
pub struct Request {
    /// Where it comes from.
    pub origin: Origin,
    /// Whom refusals are said to.
    pub ear: Ear,
    /// The client's method.
    pub method: Method,
    /// The query, without `?`.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// When it was heard.
    pub at: Time,
    /// The account that the caller names.
    pub account: Option<i64>,
}

impl Call {
    /// Reads what a request says. `model` is used where it names none.
    pub fn read(
        route: CallRoute<'_>,
        request: Request,
        default_model: impl FnOnce() -> Option<String>,
    ) -> Result<Self, Unheard> {
        let Request { origin, ear, method, query, headers, body, at, account } = request;
        let operation = route.operation;
        let content = content(operation, &headers, body)?;
        let said = said(&content, &headers)?;
        let follows = matches!(operation, Operation::Stored | Operation::Side);
        let model = route.model.map(std::borrow::Cow::into_owned).or(said.model).or_else(|| {
            // Azure's clients name a deployment.
            let named = || ["model", "deployment"].iter().find_map(|name| percent::query_value(&query, name));
            (operation == Operation::Realtime).then(named).flatten()
        });
        let model = match model.filter(|model| !model.is_empty()).or_else(default_model) {
            Some(model) if model.len() > 200 || model.contains(char::is_control) => return Err(Unheard::BadModel),
            Some(model) => bare(route.dialect, model),
            None if follows => String::new(),
            None => return Err(Unheard::NoModel),
        };
        // What is kept may be asked for as a stream of what led to it.
        let follows_stream = || {
            let wished = operation == Operation::Stored && query.contains("stream=");
            wished.then(|| percent::query_value(&query, "stream").as_deref() == Some("true"))
        };
        let stream = route.stream.or(said.stream).or_else(follows_stream).unwrap_or(false);
        let stream = stream && operation_streams(operation);
        let user_id = match &content {
            Content::Json(body) if route.dialect == Dialect::Messages => {
                body.str_in("metadata", "user_id").ok().flatten()
            }
            _ => None,
        };
        let client = client::recognise(&Sight { headers: &headers, operation, user_id: user_id.as_deref() });
        let array =
            stream && route.dialect == Dialect::Gemini && percent::query_value(&query, "alt").as_deref() != Some("sse");
        Ok(Self {
            id: schema::id::timely(at),
            at,
            began: Instant::now(),
            origin,
            ear,
            dialect: route.dialect,
            operation,
            method,
            tail: route.tail.to_owned(),
            query,
            headers,
            content,
            model,
            stream,
            wants_usage: said.wants_usage,
            json_array: array,
            client,
            account,
        })
    }
}

impl Call {
    /// Sets the limit of the output that Anthropic's dialect demands where a call came without one. The doors
    /// of the commercial documentation do not ask for it; at the vendor's own paths its absence is an error.
    pub fn limit_output(&mut self, most: u64) {
        let wanted = self.ear.mount.is_commercial()
            && self.operation == Operation::Generate
            && matches!(self.dialect, Dialect::Messages | Dialect::Invoke);
        let Content::Json(body) = &self.content else { return };
        if !wanted || body.has("max_tokens") {
            return;
        }
        let mut edit = body.edit();
        edit.set_raw("max_tokens", most.to_string().into_bytes());
        if let Ok(limited) = Body::scan(edit.finish()) {
            self.content = Content::Json(limited);
        }
    }
}

/// Why a request cannot be a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// The body is no JSON object, or a field has the wrong type.
    Body(BodyError),
    /// It has no body where it needs one.
    NoBody,
    /// It names no model.
    NoModel,
    /// It names something that can be no model.
    BadModel,
}

impl From<BodyError> for Unheard {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl std::fmt::Display for Unheard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Body(error) => error.fmt(f),
            Self::NoBody => f.write_str("The request has no body."),
            Self::NoModel => f.write_str("The field 'model' is required."),
            Self::BadModel => f.write_str("The field 'model' is not the name of a model."),
        }
    }
}

fn content(operation: Operation, headers: &HeaderMap, body: Bytes) -> Result<Content, Unheard> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if multipart::boundary(kind).is_some() {
        return Ok(Content::Raw(body));
    }
    let may_lack = matches!(operation, Operation::Stored | Operation::Side | Operation::Realtime);
    if body.is_empty() {
        return if may_lack { Ok(Content::Empty) } else { Err(Unheard::NoBody) };
    }
    Ok(Content::Json(Body::scan(body)?))
}

#[derive(Default)]
struct Said {
    model: Option<String>,
    stream: Option<bool>,
    wants_usage: bool,
}

fn said(content: &Content, headers: &HeaderMap) -> Result<Said, Unheard> {
    match content {
        Content::Empty => Ok(Said::default()),
        Content::Json(body) => {
            let options = if body.has("stream_options") { body.object("stream_options")? } else { None };
            Ok(Said {
                model: body.str("model")?.map(std::borrow::Cow::into_owned),
                stream: body.bool("stream")?,
                wants_usage: match options {
                    Some(options) => options.bool("include_usage")?.unwrap_or(false),
                    None => false,
                },
            })
        }
        Content::Raw(bytes) => {
            let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            let text = |field| {
                multipart::boundary(kind).and_then(|boundary| multipart::text(bytes, boundary, field)).map(str::trim)
            };
            Ok(Said {
                model: text("model").map(str::to_owned),
                stream: text("stream").map(|word| word == "true" || word == "1"),
                wants_usage: false,
            })
        }
    }
}

/// A model's name without what a dialect puts before it.
fn bare(dialect: Dialect, model: String) -> String {
    match dialect {
        Dialect::Gemini | Dialect::CodeAssist => model.strip_prefix("models/").map(str::to_owned).unwrap_or(model),
        _ => model,
    }
}

const fn operation_streams(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Generate
            | Operation::Complete
            | Operation::ImageGenerate
            | Operation::ImageEdit
            | Operation::Transcribe
            | Operation::Speak
            | Operation::Stored
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingress::route::{Mount, Target, read};

    fn heard(path: &str, query: &str, kind: Option<&'static str>, body: &'static str) -> Result<Call, Unheard> {
        let route = read(&Method::POST, path).unwrap();
        let Target::Call(call) = route.target else { panic!("{path} is no call") };
        let mut headers = HeaderMap::new();
        if let Some(kind) = kind {
            headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
        }
        let request = Request {
            origin: Origin { ip: String::new(), request_id: "r".into(), agent: String::new() },
            ear: Ear { mount: Mount::Root, dialect: call.dialect },
            method: Method::POST,
            query: query.to_owned(),
            headers,
            body: Bytes::from_static(body.as_bytes()),
            at: Time(0),
            account: None,
        };
        Call::read(call, request, || (path.ends_with("moderations")).then(|| "omni".to_owned()))
    }

    #[test]
    fn model_and_stream_are_where_the_dialect_puts_them() {
        let chat = heard(
            "/v1/chat/completions",
            "",
            None,
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
        )
        .unwrap();
        assert_eq!((chat.model.as_str(), chat.stream, chat.wants_usage), ("m", true, true));
        let gemini = heard("/v1beta/models/g:streamGenerateContent", "alt=sse", None, "{}").unwrap();
        assert_eq!((gemini.model.as_str(), gemini.stream, gemini.json_array), ("g", true, false));
        assert!(heard("/v1beta/models/g:streamGenerateContent", "", None, "{}").unwrap().json_array);
        let form = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b--\r\n";
        let form = heard("/v1/audio/transcriptions", "", Some("multipart/form-data; boundary=b"), form).unwrap();
        assert_eq!(form.model, "whisper-1");
        assert!(matches!(form.content, Content::Raw(_)));
        assert_eq!(heard("/v1/moderations", "", None, r#"{"input":"x"}"#).unwrap().model, "omni");
    }

    #[test]
    fn the_commercial_doors_need_no_limit_of_the_output() {
        let body = r#"{"model":"claude","messages":[]}"#;
        let limited = |path: &str, mount| {
            let mut call = heard(path, "", None, body).unwrap();
            call.ear.mount = mount;
            call.limit_output(77);
            let Content::Json(body) = &call.content else { panic!("{path}") };
            body.u64("max_tokens").unwrap()
        };
        assert_eq!(limited("/api/messages", Mount::Api), Some(77));
        assert_eq!(limited("/v1/messages", Mount::Root), None);
        assert_eq!(limited("/v1/chat/completions", Mount::Root), None);
    }

    #[test]
    fn what_is_no_call_is_refused_with_a_reason() {
        for (body, wanted) in [
            ("", Unheard::NoBody),
            ("{}", Unheard::NoModel),
            (r#"{"model":""}"#, Unheard::NoModel),
            ("{\"model\":\"a\\u0000b\"}", Unheard::BadModel),
        ] {
            assert_eq!(heard("/v1/chat/completions", "", None, body).unwrap_err(), wanted, "{body}");
        }
        for body in ["[]", "x", r#"{"model":1}"#, r#"{"model":"a","model":"b"}"#, r#"{"model":"m","stream":"yes"}"#] {
            assert!(matches!(heard("/v1/chat/completions", "", None, body), Err(Unheard::Body(_))), "{body}");
        }
    }
}
