//! GraphQL over HTTP: one request, one answer. Also the door to the other two roads.

use std::{net::SocketAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State},
    response::Response,
};
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body_util::BodyExt;

use super::{
    AuthError, Credentials, Gate, Plane, Road,
    admit::{self, Source},
    answer::{self, Answer, Verdict},
    bucket::Throttle,
    code::{Code, Fault, HttpFault, whole_seconds},
    intake,
    media::{self, Accepts, Media},
    run, socket, stream,
};

/// Every request to `/graphql`.
pub async fn serve<G: Gate>(State(plane): State<Arc<Plane<G>>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let request_id: Arc<str> = plane.gate.request_id(&parts.headers).into();
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    if parts.method == Method::GET && parts.headers.contains_key(header::UPGRADE) {
        return match socket::upgrade(&plane, &mut parts, peer, &request_id).await {
            Ok(response) => response,
            Err(fault) => {
                let answer = Answer::refusal(&plane.gate, &request_id, fault);
                reply(answer, Media::Json, &request_id)
            }
        };
    }
    // A refusal of the Accept header itself is told as plain JSON.
    let accepts = media::accepts(&parts.headers);
    let form = accepts.as_ref().map_or(Media::Json, |accepts| accepts.refusal());
    // Resolvers have their own wall; this one is for the gate.
    let conversing = converse(&plane, &parts, body, accepts, peer, &request_id);
    let refusal = match AssertUnwindSafe(conversing).catch_unwind().await {
        Ok(Ok(response)) => return response,
        Ok(Err(refusal)) => refusal,
        Err(_) => answer::internal().into(),
    };
    reply(Answer::refusal(&plane.gate, &request_id, refusal), form, &request_id)
}

async fn converse<G: Gate>(
    plane: &Arc<Plane<G>>,
    parts: &Parts,
    body: Body,
    accepts: Result<Accepts, Fault>,
    peer: Option<SocketAddr>,
    request_id: &Arc<str>,
) -> Result<Response, admit::Refusal> {
    let writes = match parts.method {
        Method::POST => true,
        Method::GET => false,
        _ => {
            return Err(Fault::http(
                HttpFault::Method("GET, POST"),
                "The graph is asked by POST, or by GET for queries.",
            )
            .into());
        }
    };
    let accepts = accepts?;
    let call = if writes {
        media::body_is_json(&parts.headers)?;
        let body = read_body(plane, &parts.headers, body).await?;
        intake::from_body(&body)?
    } else {
        if !media::proves_intent(&parts.headers) {
            return Err(Fault::bad_request(
                "A GET needs an Authorization or a GraphQL-Require-Preflight header. The page for people is /graphiql.",
            )
            .into());
        }
        intake::from_uri(&parts.uri)?
    };
    let principal =
        plane.gate.authenticate(Credentials { headers: &parts.headers, peer, init: None }).await.map_err(not_let_in)?;
    let source = Source {
        request_id: request_id.clone(),
        road: if accepts.single.is_none() { Road::EventStream } else { Road::Http },
        peer,
        user_agent: Source::user_agent(&parts.headers),
        writes,
        streams: accepts.stream || accepts.parts,
    };
    let admitted = admit::admit(plane, &principal, &source, call).await?;
    let subscribes = admitted.info.kind == async_graphql::parser::types::OperationType::Subscription;
    match accepts.single {
        Some(form) if !subscribes => Ok(reply(run::once(plane.clone(), admitted).await, form, request_id)),
        _ => {
            let form = if accepts.stream { stream::Form::Events } else { stream::Form::Parts };
            Ok(stream::respond(plane.clone(), principal, admitted, request_id, form))
        }
    }
}

/// The refusal of a caller who was not let in.
pub fn not_let_in(error: AuthError) -> Fault {
    match error {
        AuthError::Invalid => Fault::new(Code::Unauthenticated, "The credentials are not valid, or no longer."),
        AuthError::Forbidden(why) => Fault::new(Code::Forbidden, why),
        AuthError::Limited(wait) => {
            let mut fault = Fault::new(Code::RateLimited, "Too many attempts; try again later.");
            fault.retry_after = Some(wait);
            fault
        }
        AuthError::Unavailable => answer::internal(),
    }
}

async fn read_body<G: Gate>(plane: &Plane<G>, headers: &HeaderMap, mut body: Body) -> Result<Bytes, Fault> {
    let most = plane.limits().body_bytes;
    let too_large = || Fault::http(HttpFault::TooLarge, format!("The body is larger than {most} bytes."));
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > most) {
        drain(body, most).await;
        return Err(too_large());
    }
    let mut read = BytesMut::with_capacity(announced.unwrap_or(0).min(most));
    let reading = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Fault::bad_request("The body broke off."))?;
            if let Ok(data) = frame.into_data() {
                if read.len() + data.len() > most {
                    return Err(too_large());
                }
                read.extend_from_slice(&data);
            }
        }
        Ok(())
    };
    match tokio::time::timeout(plane.limits().body_time, reading).await {
        Ok(Ok(())) => Ok(read.freeze()),
        Ok(Err(fault)) => {
            if fault.http == Some(HttpFault::TooLarge) {
                drain(body, most).await;
            }
            Err(fault)
        }
        Err(_) => Err(Fault::http(HttpFault::SlowBody, "The body did not arrive in time.")),
    }
}

/// Reads on a little before refusing: closing on unread bytes resets the connection, and the reset may
/// overtake the answer.
async fn drain(mut body: Body, most: usize) {
    let mut left = most.saturating_mul(2);
    let draining = async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            left = left.saturating_sub(length);
            if left == 0 {
                break;
            }
        }
    };
    // Whether all of it came makes no difference to the answer.
    drop(tokio::time::timeout(Duration::from_millis(500), draining).await);
}

/// Writes an answer.
pub fn reply(answer: Answer, form: Media, request_id: &str) -> Response {
    let status = answer::status(answer.verdict, form);
    let retry_after = answer.errors.first().and_then(|error| match error.extensions.as_ref()?.get("retryAfter")? {
        async_graphql::Value::Number(seconds) => seconds.as_u64(),
        _ => None,
    });
    let (status, body) = match serde_json::to_vec(&answer) {
        Ok(body) => (status, body),
        Err(error) => {
            tracing::error!(request_id, %error, "an answer could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, Vec::new())
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.extend(answer.headers);
    common_headers(headers, request_id);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    if let Verdict::Http(HttpFault::Method(allowed)) = answer.verdict {
        headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    if matches!(answer.verdict, Verdict::Http(HttpFault::TooLarge | HttpFault::SlowBody)) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"graphql\""));
    }
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if let Some(throttle) = answer.throttle {
        budget_headers(headers, throttle);
    }
    response
}

/// Headers of every answer, streams included.
pub fn common_headers(headers: &mut HeaderMap, request_id: &str) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::VARY, HeaderValue::from_static("accept, authorization"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
}

fn budget_headers(headers: &mut HeaderMap, throttle: Throttle) {
    let missing = throttle.max.saturating_sub(throttle.available);
    let until_full = missing.div_ceil(throttle.restore_rate.max(1));
    let window = throttle.max.div_ceil(throttle.restore_rate.max(1));
    let limit = format!("\"cost\";r={};t={until_full}", throttle.available);
    let policy = format!("\"cost\";q={};w={window}", throttle.max);
    for (name, value) in [("ratelimit", limit), ("ratelimit-policy", policy)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if let Some(wait) = throttle.wait {
        headers.insert(header::RETRY_AFTER, whole_seconds(wait).into());
    }
}
