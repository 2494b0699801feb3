//! The last step of every request: method, content type, the relay's own name, the account's extras.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};

use super::{Ask, Operation, Outgoing, Payload, Refusal, USER_AGENT, Upstream};

/// Puts a request together.
pub fn finish(
    account: &Upstream<'_>,
    ask: &Ask<'_>,
    url: &str,
    mut headers: HeaderMap,
    body: Bytes,
) -> Result<Outgoing, Refusal> {
    headers.entry(header::USER_AGENT).or_insert(sender(account));
    describe(ask, &mut headers);
    account.extra(&mut headers);
    let mut request = http::Request::builder().method(method(ask)).uri(url).body(body)?;
    *request.headers_mut() = headers;
    Ok(Outgoing { request, dropped: Vec::new() })
}

/// What a call without a client's own name is sent as: what the account says, else this relay.
fn sender(account: &Upstream<'_>) -> HeaderValue {
    let set = account.options.user_agent.as_deref().filter(|agent| !agent.is_empty());
    set.and_then(|agent| HeaderValue::try_from(agent).ok()).unwrap_or(HeaderValue::from_static(USER_AGENT))
}

/// The method of an operation.
fn method(ask: &Ask<'_>) -> Method {
    match ask.operation {
        _ if ask.follows_client() => ask.method.clone(),
        Operation::ListModels | Operation::GetModel | Operation::Realtime => Method::GET,
        _ => Method::POST,
    }
}

/// Sets what describes the body.
fn describe(ask: &Ask<'_>, headers: &mut HeaderMap) {
    match ask.body {
        Payload::Json(_) => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        // A multipart body is nothing without the boundary that its header names.
        Payload::Raw(_) => {
            if let Some(kind) = ask.headers.get(header::CONTENT_TYPE) {
                headers.insert(header::CONTENT_TYPE, kind.clone());
            }
        }
        Payload::Empty => {
            headers.remove(header::CONTENT_TYPE);
        }
    }
    if ask.translated {
        let accept = if ask.stream { "text/event-stream" } else { "application/json" };
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    }
}
