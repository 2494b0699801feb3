//! Where a request comes from: the caller's address (behind trusted proxies), and the id it is known by.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{FromRequestParts, Request};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use schema::net::Net;
use schema::{Actor, App, Face};
use tracing::Span;

/// The header that carries the request's id, in and out.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The peer of the connection a request came over.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    pub ip: String,
    pub request_id: String,
    pub agent: String,
}

impl Origin {
    /// An actor nobody has vouched for yet.
    pub fn anonymous(&self, face: Face) -> Actor {
        Actor::anonymous(face, self.ip.clone(), self.request_id.clone())
    }
}

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(of(parts))
    }
}

/// The origin that was noted at the door, or one read from the request itself.
pub fn of(parts: &Parts) -> Origin {
    parts.extensions.get::<Origin>().cloned().unwrap_or_else(|| Origin {
        ip: parts.extensions.get::<Peer>().map(|p| p.0.ip().to_string()).unwrap_or_default(),
        request_id: schema::id::hex(&schema::id::lot().to_be_bytes()),
        agent: agent(&parts.headers),
    })
}

/// What a request is handled under.
pub struct Noted {
    /// What its handling belongs to in the logs.
    pub span: Span,
    /// The id that it is answered with.
    pub id: Option<HeaderValue>,
}

/// Notes the origin of a request with it.
pub fn note(app: &App, request: &mut Request) -> Noted {
    let headers = request.headers();
    let given = headers.get(REQUEST_ID).and_then(|v| v.to_str().ok()).filter(|v| is_id(v)).map(str::to_owned);
    let request_id = given.unwrap_or_else(|| schema::id::hex(&schema::id::lot().to_be_bytes()));
    let peer = request.extensions().get::<Peer>().map(|p| p.0.ip());
    let ip = caller_ip(headers, peer, &app.config.trusted_proxies);
    let traceparent = headers.get("traceparent").and_then(|v| v.to_str().ok());
    let span = tracing::info_span!(
        "request",
        id = %request_id,
        method = %request.method(),
        path = request.uri().path(),
        traceparent
    );
    let id = HeaderValue::from_str(&request_id).ok();
    let origin = Origin { ip, agent: agent(headers), request_id };
    request.extensions_mut().insert(origin);
    Noted { span, id }
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn agent(headers: &HeaderMap) -> String {
    let text = headers.get(http::header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or("");
    text.chars().take(300).collect()
}

/// The caller's address: the last hop that is no trusted proxy, reading `X-Forwarded-For` from the right.
fn caller_ip(headers: &HeaderMap, peer: Option<IpAddr>, trusted: &[Net]) -> String {
    let Some(peer) = peer else { return String::new() };
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(*ip));
    if !is_trusted(&peer) {
        return peer.to_string();
    }
    let hops = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    let hops: Vec<IpAddr> = hops.filter_map(|hop| hop.trim().parse().ok()).collect();
    hops.into_iter().rev().find(|ip| !is_trusted(ip)).unwrap_or(peer).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6, 9.9.9.9"));
        let trusted = ["127.0.0.1", "10.0.0.0/8"].map(|net| Net::parse(net).expect("a network"));
        let ip = |peer: &str| caller_ip(&headers, peer.parse().ok(), &trusted);
        assert_eq!(ip("127.0.0.1"), "9.9.9.9");
        assert_eq!(ip("10.1.2.3"), "9.9.9.9");
        assert_eq!(ip("::ffff:127.0.0.1"), "9.9.9.9");
        assert_eq!(ip("8.8.8.8"), "8.8.8.8");
        assert!(is_id("abc-1_2.3") && !is_id("a b") && !is_id(""));
    }
}
