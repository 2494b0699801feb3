//! Amazon Bedrock: Anthropic's models in a messages body that is slightly its own, and converse.

mod body;
pub(super) use body::refuse_thread;
mod ids;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::blame::{self, pause};
use super::{
    Ask, Blame, Credentials, Dialect, Failure, Framing, InBand, Operation, Outgoing, Payload, Provider, Reason,
    Refusal, Scope, USER_AGENT, Upstream, Wish,
};
use crate::wire::eventstream::Message;
use crate::wire::headers::{self, Family};
use crate::wire::{percent, sigv4};

pub use ids::{is_anthropic, model_id};

const REGION: &str = "us-east-1";
const STREAM_TYPE: &str = "application/vnd.amazon.eventstream";

/// Accounts at AWS.
pub struct Bedrock;

impl Provider for Bedrock {
    fn native(&self, account: &Upstream<'_>, wish: Wish<'_>) -> Option<Dialect> {
        let anthropic = is_anthropic(&model_id(wish.model, region(account)));
        match (wish.operation, wish.dialect) {
            (Operation::Generate, Dialect::Converse) => Some(Dialect::Converse),
            (Operation::Generate, Dialect::Invoke) => Some(Dialect::Invoke),
            (Operation::Generate, _) if anthropic => Some(Dialect::Messages),
            // The one form in which every other vendor's models are called here.
            (Operation::Generate, _) => Some(Dialect::Converse),
            (Operation::CountTokens, Dialect::Messages) if anthropic => Some(Dialect::Messages),
            _ => None,
        }
    }

    fn request(&self, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Outgoing, Refusal> {
        let id = percent::encode(&model_id(ask.model, region(account)));
        let action = match (ask.operation, ask.dialect, ask.stream) {
            (Operation::CountTokens, ..) => "count-tokens",
            (_, Dialect::Converse, false) => "converse",
            (_, Dialect::Converse, true) => "converse-stream",
            (_, _, false) => "invoke",
            (_, _, true) => "invoke-with-response-stream",
        };
        let url = format!("{}/model/{id}/{action}", runtime(account));
        let (body, dropped) = match (ask.dialect, ask.body) {
            (Dialect::Messages, Payload::Json(body)) if ask.operation == Operation::CountTokens => {
                body::counted(body, ask)?
            }
            (Dialect::Messages, Payload::Json(body)) => body::messages(body, ask.headers)?,
            (_, Payload::Json(body)) => (body.bytes().clone(), Vec::new()),
            (_, Payload::Raw(bytes)) => (bytes.clone(), Vec::new()),
            (_, Payload::Empty) => return Err(Refusal::unsupported("this request needs a body")),
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static(if ask.stream { STREAM_TYPE } else { "application/json" }),
        );
        if ask.dialect != Dialect::Messages {
            headers.extend(headers::forward(ask.headers, Family::Aws, true).into_iter().filter_map(|(name, value)| {
                name.filter(|name| name.as_str().starts_with("x-amzn-bedrock-")).map(|name| (name, value))
            }));
        }
        // Extras are signed with the rest; what comes after the signature is only the sender's name.
        account.extra(&mut headers);
        headers.remove(header::USER_AGENT);
        let mut request = http::Request::builder().method(Method::POST).uri(url).body(body)?;
        *request.headers_mut() = headers;
        authenticate(account, &mut request, ask.now)?;
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        Ok(Outgoing { request, dropped })
    }

    fn framing(&self, ask: &Ask<'_>) -> Framing {
        if ask.stream { Framing::EventStream } else { Framing::Whole }
    }

    fn event(&self, ask: &Ask<'_>, message: &Message) -> Result<Option<Bytes>, InBand> {
        let kind = message.text(":message-type").unwrap_or("event");
        if kind != "event" {
            let name = message.text(":exception-type").or(message.text(":error-code")).unwrap_or_default();
            let status = status_of(name).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return Err(InBand { status, body: message.payload.clone() });
        }
        if ask.dialect == Dialect::Converse {
            return Ok(Some(message.payload.clone()));
        }
        // The padding beside the bytes is no one's business.
        #[derive(Deserialize)]
        struct Chunk {
            bytes: String,
        }
        let damaged = || InBand {
            status: StatusCode::BAD_GATEWAY,
            body: Bytes::from_static(b"{\"message\":\"a chunk of the stream is damaged\"}"),
        };
        if message.text(":event-type") != Some("chunk") {
            return Ok(None);
        }
        let chunk: Chunk = serde_json::from_slice(&message.payload).map_err(|_| damaged())?;
        BASE64_STANDARD.decode(chunk.bytes).map(|inner| Some(inner.into())).map_err(|_| damaged())
    }

    fn blame(&self, failure: &Failure<'_>) -> Blame {
        blame(failure)
    }

    fn unwrap(&self, ask: &Ask<'_>, payload: Bytes) -> Bytes {
        if ask.operation == Operation::CountTokens && ask.dialect == Dialect::Messages {
            body::count(&payload).unwrap_or(payload)
        } else {
            payload
        }
    }

    fn probe(&self, account: &Upstream<'_>, model: Option<&str>, now: i64) -> Result<http::Request<Bytes>, Refusal> {
        let mut request = match model {
            Some(model) => {
                let id = percent::encode(&model_id(model, region(account)));
                let question = json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}], "inferenceConfig": {"maxTokens": 1}});
                super::probe::bare(
                    Method::POST,
                    &format!("{}/model/{id}/converse", runtime(account)),
                    question.to_string(),
                )?
            }
            None => super::probe::bare(Method::GET, &format!("{}/foundation-models", control(account)), String::new())?,
        };
        let agent = request.headers_mut().remove(header::USER_AGENT);
        authenticate(account, &mut request, now)?;
        if let Some(agent) = agent {
            request.headers_mut().insert(header::USER_AGENT, agent);
        }
        Ok(request)
    }
}

fn region<'a>(account: &Upstream<'a>) -> &'a str {
    account.options.region.as_deref().filter(|region| !region.is_empty()).unwrap_or(REGION)
}

fn runtime(account: &Upstream<'_>) -> String {
    let own = format!("https://bedrock-runtime.{}.amazonaws.com", region(account));
    account.base(&own).to_owned()
}

/// The control plane; a custom endpoint is taken to serve both.
fn control(account: &Upstream<'_>) -> String {
    let own = format!("https://bedrock.{}.amazonaws.com", region(account));
    account.base(&own).to_owned()
}

fn authenticate(account: &Upstream<'_>, request: &mut http::Request<Bytes>, now: i64) -> Result<(), Refusal> {
    match account.credentials {
        Credentials::Aws { access_key_id, secret_access_key, session_token } => {
            let keys = sigv4::Keys { access_key_id, secret_access_key, session_token };
            let scope = sigv4::Scope { region: region(account), service: "bedrock", now };
            let (method, uri, body) = (request.method().clone(), request.uri().clone(), request.body().clone());
            Ok(sigv4::sign(&method, &uri, request.headers_mut(), &body, keys, scope)?)
        }
        Credentials::Key(key) if !key.is_empty() => {
            request.headers_mut().insert(header::AUTHORIZATION, headers::secret(&format!("Bearer {key}"))?);
            Ok(())
        }
        _ => Err(Refusal::Account("the account has neither AWS access keys nor a Bedrock API key".into())),
    }
}

/// AWS's name of an error: from the header, else from the body, without what follows it.
fn error_name(failure: &Failure<'_>) -> String {
    let header = failure.headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let name =
        header.or_else(|| failure.json().get("__type").and_then(Value::as_str).map(str::to_owned)).unwrap_or_default();
    let name =
        name.split([':', '#']).find(|part| part.ends_with("Exception") || part.ends_with("Error")).unwrap_or(&name);
    name.to_owned()
}

/// The status of an error by its name; stream exceptions begin with a small letter.
fn status_of(name: &str) -> Option<StatusCode> {
    let status = match name.trim_end_matches("Exception").to_ascii_lowercase().as_str() {
        "validation" => 400,
        "accessdenied" | "unrecognizedclient" | "invalidsignature" | "expiredtoken" => 403,
        "resourcenotfound" => 404,
        "modeltimeout" => 408,
        "modelerror" | "modelstreamerror" => 424,
        "throttling" | "modelnotready" => 429,
        "internalserver" => 500,
        "serviceunavailable" => 503,
        _ => return None,
    };
    StatusCode::from_u16(status).ok()
}

fn blame(failure: &Failure<'_>) -> Blame {
    let until = |pause| failure.until(pause);
    match error_name(failure).as_str() {
        // The clock of this machine is off, which no other account can mend.
        "InvalidSignatureException" if failure.mentions(&["signature expired", "signature not yet current"]) => {
            Blame::Vendor { until: until(pause::FAILURE) }
        }
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "ExpiredTokenException"
        | "IncompleteSignatureException"
        | "MissingAuthenticationTokenException"
        | "InvalidClientTokenId" => Blame::blocked(Reason::BadCredential),
        "AccessDeniedException" if failure.mentions(&["authentication failed", "api key"]) => {
            Blame::blocked(Reason::BadCredential)
        }
        "AccessDeniedException" if failure.mentions(&["model"]) => Blame::cooling(until(pause::MODEL), Scope::Model),
        "ThrottlingException" | "ServiceQuotaExceededException" => Blame::cooling(until(pause::OVERLOAD), Scope::Model),
        "ModelNotReadyException" => Blame::Vendor { until: until(pause::OVERLOAD) },
        "ModelErrorException" | "ModelTimeoutException" => Blame::Vendor { until: until(pause::FAILURE) },
        _ if failure.status == 424 => Blame::Vendor { until: until(pause::FAILURE) },
        _ if failure.status == 429 => Blame::cooling(until(pause::OVERLOAD), Scope::Model),
        _ => blame::by_status(failure, false),
    }
}
