//! Connections to the vendors: pools that are kept warm, one a way out.
//!
//! Accounts without a proxy share one pool; each proxy has its own. Nothing here knows vendors, follows
//! redirects or waits longer than for a connection: how long an answer may take is the caller's rule.

pub mod guard;
mod unpack;

use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use unpack::Unpack;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(90);
/// How many proxies are kept connected; past it the one unused longest goes.
const PROXIES: usize = 256;

/// Why a vendor gave no (whole) answer; safe to show, it names no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The account's address or proxy cannot be used.
    Address,
    /// No connection came about.
    Connect,
    /// The connection ended before or within the answer.
    Cut,
    /// Nothing came in time.
    Silent,
    /// The answer was longer than can be held.
    TooLong,
    /// The answer was packed in a way nobody asked for and that is not known here.
    Packed,
    /// The vendor did not go over to a websocket.
    NotUpgraded,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "the account's address or proxy cannot be used",
            Self::Connect => "the vendor could not be reached",
            Self::Cut => "the vendor closed the connection early",
            Self::Silent => "the vendor did not answer in time",
            Self::TooLong => "the vendor's answer was too long",
            Self::Packed => "the vendor's answer was packed in an unknown way",
            Self::NotUpgraded => "the vendor did not open a websocket",
        })
    }
}

impl std::error::Error for Broken {}

type Direct = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Every pool of a process.
#[derive(Default)]
pub struct Upstreams {
    direct: OnceLock<Option<Direct>>,
    /// Speaks HTTP/1.1 only, which websockets need.
    sockets: OnceLock<Option<Direct>>,
    /// Proxy address and its pool, the one used last at the end.
    proxied: Mutex<Vec<(Route, reqwest::Client)>>,
}

/// Which pool.
#[derive(Clone, PartialEq, Eq)]
struct Route {
    proxy: String,
    http1: bool,
}

impl Upstreams {
    /// Sends a request by the given proxy (an address, with credentials if need be) or straight.
    pub async fn send(&self, proxy: Option<&str>, request: Request<Bytes>) -> Result<Answer, Broken> {
        match proxy {
            None => {
                let client = self.direct(false).ok_or(Broken::Address)?;
                let answer = client.request(request.map(Full::new)).await.map_err(|e| why(&e))?;
                Answer::new(answer, Body::Direct)
            }
            Some(proxy) => {
                let client = self.proxied(proxy, false)?;
                let request = reqwest::Request::try_from(request).map_err(|_| Broken::Address)?;
                let answer = let_in(client.execute(request).await.map_err(|e| why_proxied(&e))?)?;
                Answer::new(Response::<reqwest::Body>::from(answer), Body::Proxied)
            }
        }
    }

    /// Sends a request that asks for another protocol on its connection, and answers that connection; a
    /// vendor that refuses gives an ordinary answer.
    pub async fn upgrade(&self, proxy: Option<&str>, request: Request<Bytes>) -> Result<Upgrade, Broken> {
        match proxy {
            None => {
                let client = self.direct(true).ok_or(Broken::Address)?;
                let answer = client.request(request.map(Full::new)).await.map_err(|e| why(&e))?;
                if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                    return Answer::new(answer, Body::Direct).map(Box::new).map(Upgrade::Refused);
                }
                let headers = answer.headers().clone();
                let io = hyper::upgrade::on(answer).await.map_err(|_| Broken::NotUpgraded)?;
                Ok(Upgrade::Open { headers, io: Box::new(TokioIo::new(io)) })
            }
            Some(proxy) => {
                let client = self.proxied(proxy, true)?;
                let request = reqwest::Request::try_from(request).map_err(|_| Broken::Address)?;
                let answer = let_in(client.execute(request).await.map_err(|e| why_proxied(&e))?)?;
                if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                    return Answer::new(Response::<reqwest::Body>::from(answer), Body::Proxied)
                        .map(Box::new)
                        .map(Upgrade::Refused);
                }
                let headers = answer.headers().clone();
                let io = answer.upgrade().await.map_err(|_| Broken::NotUpgraded)?;
                Ok(Upgrade::Open { headers, io: Box::new(io) })
            }
        }
    }

    fn direct(&self, http1: bool) -> Option<&Direct> {
        let cell = if http1 { &self.sockets } else { &self.direct };
        cell.get_or_init(|| direct(http1)).as_ref()
    }

    fn proxied(&self, proxy: &str, http1: bool) -> Result<reqwest::Client, Broken> {
        let route = Route { proxy: proxy.to_owned(), http1 };
        let mut pools = self.proxied.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = pools.iter().position(|(known, _)| *known == route) {
            let pool = pools.remove(at);
            let client = pool.1.clone();
            pools.push(pool);
            return Ok(client);
        }
        let client = proxied(proxy, http1)?;
        if pools.len() >= PROXIES {
            pools.remove(0);
        }
        pools.push((route, client.clone()));
        Ok(client)
    }
}

fn direct(http1: bool) -> Option<Direct> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_keepalive(Some(Duration::from_secs(60)));
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_platform_verifier(rustls::crypto::ring::default_provider())
        .inspect_err(|cause| tracing::error!(%cause, "TLS cannot be used: no roots of trust"))
        .ok()?
        .https_or_http()
        .enable_http1();
    let connector = if http1 { tls.wrap_connector(connector) } else { tls.enable_http2().wrap_connector(connector) };
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        // Where a vendor speaks HTTP/2, a dead connection must be noticed before a call is lost to it.
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_timeout(Duration::from_secs(10))
        .http2_adaptive_window(true);
    Some(builder.build(connector))
}

/// An answer that is the vendor's: the proxy's own refusal is about the account, not about the call.
fn let_in(answer: reqwest::Response) -> Result<reqwest::Response, Broken> {
    if answer.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED { Err(Broken::Address) } else { Ok(answer) }
}

fn proxied(proxy: &str, http1: bool) -> Result<reqwest::Client, Broken> {
    // Names are resolved at the proxy's end: the vendor may not even have one here.
    let address = match proxy.strip_prefix("socks5://") {
        Some(rest) => format!("socks5h://{rest}"),
        None => proxy.to_owned(),
    };
    let proxy = reqwest::Proxy::all(&address).map_err(|_| Broken::Address)?;
    let mut builder = reqwest::Client::builder()
        .proxy(proxy)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .referer(false);
    if http1 {
        builder = builder.http1_only();
    }
    builder.build().map_err(|_| Broken::Address)
}

fn why(error: &hyper_util::client::legacy::Error) -> Broken {
    if error.is_connect() { Broken::Connect } else { Broken::Cut }
}

fn why_proxied(error: &reqwest::Error) -> Broken {
    if error.is_connect() {
        Broken::Connect
    } else if error.is_builder() {
        Broken::Address
    } else {
        Broken::Cut
    }
}

/// A two-way connection.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// What became of a request for a websocket.
pub enum Upgrade {
    /// The connection is the caller's now.
    Open {
        /// The headers of the vendor's consent.
        headers: HeaderMap,
        /// The connection.
        io: Box<dyn Io>,
    },
    /// The vendor said no.
    Refused(Box<Answer>),
}

/// A vendor's answer, its body still coming.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    body: Body,
    unpack: Option<Unpack>,
}

enum Body {
    Direct(Incoming),
    Proxied(reqwest::Body),
}

impl Answer {
    fn new<B>(answer: Response<B>, wrap: impl FnOnce(B) -> Body) -> Result<Self, Broken> {
        let (mut head, body) = answer.into_parts();
        let unpack = match head.headers.remove(header::CONTENT_ENCODING) {
            None => None,
            Some(coding) => Unpack::of(coding.as_bytes()).ok_or(Broken::Packed)?,
        };
        Ok(Self { status: head.status, headers: head.headers, body: wrap(body), unpack })
    }

    /// The next piece of the body; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            let frame = match &mut self.body {
                Body::Direct(body) => body.frame().await.map(|frame| frame.map_err(|_| Broken::Cut)),
                Body::Proxied(body) => body.frame().await.map(|frame| frame.map_err(|_| Broken::Cut)),
            };
            let Some(frame) = frame else {
                let complete = self.unpack.as_mut().is_none_or(Unpack::is_complete);
                return if complete { Ok(None) } else { Err(Broken::Cut) };
            };
            // Trailers are nobody's business here.
            let Ok(data) = frame?.into_data() else { continue };
            let data = match &mut self.unpack {
                None => data,
                Some(unpack) => unpack.feed(&data)?,
            };
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }

    /// The whole body, as long as it stays under a limit.
    pub async fn whole(&mut self, limit: usize) -> Result<Bytes, Broken> {
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        // Most answers come in one piece, which then is not copied.
        let Some(second) = self.chunk().await? else {
            return if first.len() > limit { Err(Broken::TooLong) } else { Ok(first) };
        };
        let mut all = BytesMut::with_capacity((first.len() + second.len()) * 2);
        all.extend_from_slice(&first);
        let mut next = Some(second);
        while let Some(chunk) = next {
            if all.len() + chunk.len() > limit {
                return Err(Broken::TooLong);
            }
            all.extend_from_slice(&chunk);
            next = self.chunk().await?;
        }
        Ok(all.freeze())
    }
}
