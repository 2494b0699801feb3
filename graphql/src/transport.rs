//! The wire under the graph: GraphQL over HTTP, over event streams and over websockets, and every check
//! that has to pass before a resolver may run. It knows nothing of the business: who a caller is, what
//! they may spend and what resolvers find in their context comes through [`Gate`].
//!
//! The order of things, on every road: size and shape of the request → who calls → size and shape of the
//! document ([`guard`]) → root fields this caller may name → variables → cost → run, within a time and
//! behind a wall for panics → shape the answer ([`answer`]).

pub mod bucket;
pub mod code;
pub mod cost;
pub mod graphiql;
pub mod limits;
pub mod trusted;

mod admit;
mod answer;
mod catalogue;
mod coerce;
mod documents;
mod guard;
mod intake;
mod media;
mod origin;
mod plain;
mod run;
mod scan;
mod socket;
mod stream;

#[cfg(test)]
mod tests;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use async_graphql::{ObjectType, PathSegment, Request, Schema, SubscriptionType, parser::types::OperationType};
use axum::{Router, routing};
use http::HeaderMap;
use tokio_util::sync::CancellationToken;
use tower_http::compression::{
    CompressionLayer,
    predicate::{NotForContentType, Predicate, SizeAbove},
};

pub use plain::common_headers;

use bucket::{Budget, CostBuckets, LocalBuckets};
use code::Code;
use cost::CostRules;
use limits::Limits;
use trusted::Trusted;

/// What a caller shows to be let in.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// Headers of the request, or of the websocket's handshake.
    pub headers: &'a HeaderMap,
    /// The other end of the connection, if the server was told to keep it.
    pub peer: Option<SocketAddr>,
    /// The payload of a websocket's `connection_init`.
    pub init: Option<&'a serde_json::Map<String, serde_json::Value>>,
}

impl<'a> Credentials<'a> {
    /// The bearer token: from `connection_init` (`authorization`, in any case, alone or under `headers`),
    /// or else from the `Authorization` header. A scheme without a token counts as none.
    pub fn bearer(&self) -> Option<&'a str> {
        let member = |map: &'a serde_json::Map<String, serde_json::Value>| {
            map.iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("authorization"))
                .and_then(|(_, value)| value.as_str())
        };
        let init =
            self.init.and_then(|init| member(init).or_else(|| init.get("headers")?.as_object().and_then(member)));
        let header = || self.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let value = init.or_else(header)?.trim();
        let (scheme, token) = value.split_once(' ')?;
        let token = token.trim();
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
    }

    /// Whether anything at all was shown in `Authorization` or `connection_init`: such a caller means to
    /// be somebody, and should be refused rather than taken for nobody when it does not hold.
    pub fn shows_something(&self) -> bool {
        self.bearer().is_some() || self.headers.contains_key(http::header::AUTHORIZATION)
    }
}

/// Why a caller was not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// What they showed is not, or no longer, valid.
    Invalid,
    /// They are known and not allowed in.
    Forbidden(&'static str),
    /// Too many attempts.
    Limited(Duration),
    /// It cannot be checked just now.
    Unavailable,
}

/// Which root fields a caller may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Every one.
    All,
    /// Only these; anything else is answered UNAUTHENTICATED.
    Only(&'static [&'static str]),
}

/// Which documents a caller may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texts {
    /// Every one.
    Any,
    /// Only trusted ones; and, beside them, operations of these root fields alone.
    Trusted { beside: &'static [&'static str] },
}

/// What a caller may do before any resolver is asked.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Which root fields.
    pub roots: Roots,
    /// Which documents.
    pub texts: Texts,
    /// Whether the schema may be read.
    pub introspection: bool,
    /// Whose points are spent: a user, a token, an address.
    pub bucket: String,
    /// How many points.
    pub budget: Budget,
}

/// The road an operation came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    /// One HTTP request, one answer.
    Http,
    /// An event stream.
    EventStream,
    /// A websocket.
    Socket,
}

/// What is known of an operation when it is about to run.
#[derive(Clone, Debug)]
pub struct OperationInfo {
    /// The id in every error and in the response header.
    pub request_id: Arc<str>,
    /// The operation's name, if it has one.
    pub name: Option<String>,
    /// Query, mutation or subscription.
    pub kind: OperationType,
    /// SHA-256 of the document, in hexadecimal.
    pub document: String,
    /// The road it came by.
    pub road: Road,
    /// The other end of the connection.
    pub peer: Option<SocketAddr>,
    /// The caller's `User-Agent`.
    pub user_agent: Option<String>,
    /// The points it was charged.
    pub cost: u64,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Errors in its answer, or in the last event of its stream.
    pub errors: usize,
    /// The code of the refusal, when there is no data.
    pub refused: Option<Code>,
    /// From being admitted to its end.
    pub took: Duration,
}

/// One error as it happened, before it was shaped for the caller.
#[derive(Debug)]
pub struct ErrorReport<'a> {
    /// The id the caller was told.
    pub request_id: &'a str,
    /// The operation's name.
    pub operation: Option<&'a str>,
    /// The code the caller was told.
    pub code: Code,
    /// The message as it was raised; may hold internals.
    pub message: &'a str,
    /// Where in the answer.
    pub path: &'a [PathSegment],
}

/// What the transport asks of the application.
pub trait Gate: Clone + Send + Sync + 'static {
    /// Who calls. Nobody in particular is a principal too.
    type Principal: Clone + Send + Sync + 'static;

    /// Lets a caller in, as somebody or (when nothing was shown) as nobody.
    fn authenticate(
        &self,
        credentials: Credentials<'_>,
    ) -> impl Future<Output = Result<Self::Principal, AuthError>> + Send;

    /// What this caller may do.
    fn policy(&self, principal: &Self::Principal) -> Policy;

    /// Puts into the request what resolvers expect in their context, fresh for each operation.
    fn prepare(&self, principal: &Self::Principal, info: &OperationInfo, request: Request) -> Request;

    /// Whether a caller let in earlier still holds. Asked at every operation of a socket and every few
    /// seconds of a long connection: keep it cheap.
    fn still_valid(&self, principal: &Self::Principal) -> impl Future<Output = bool> + Send;

    /// The id of a request; the caller's own when it is harmless.
    fn request_id(&self, headers: &HeaderMap) -> String {
        headers
            .get("x-request-id")
            .and_then(|value| value.to_str().ok())
            .filter(|id| {
                (1..=64).contains(&id.len())
                    && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
            })
            .map_or_else(fresh_id, str::to_owned)
    }

    /// Hears of every error told to a caller.
    fn on_error(&self, report: &ErrorReport<'_>) {
        let ErrorReport { request_id, operation, code, message, path } = report;
        if *code == Code::Internal {
            tracing::error!(request_id, operation, ?path, message, "a resolver failed");
        } else {
            tracing::debug!(request_id, operation, code = code.as_str(), ?path, message, "refused");
        }
    }

    /// Hears of the end of every operation.
    fn on_finish(&self, info: &OperationInfo, outcome: &Outcome) {
        note_end(info, outcome);
    }
}

/// A line in the log for the end of an operation.
pub fn note_end(info: &OperationInfo, outcome: &Outcome) {
    tracing::debug!(
        request_id = &*info.request_id,
        operation = info.name.as_deref(),
        kind = %info.kind,
        document = info.document,
        cost = info.cost,
        errors = outcome.errors,
        took_ms = outcome.took.as_secs_f64() * 1e3,
        "operation"
    );
}

/// Sixteen random hexadecimal digits.
pub fn fresh_id() -> String {
    use ring::rand::{SecureRandom, SystemRandom};
    let mut bytes = [0_u8; 8];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        // An id is for finding a log line, not for keeping a secret.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        bytes = (now.as_nanos() as u64).to_be_bytes();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How the transport is set up. `Settings::default()` is right for one process.
#[derive(Clone)]
pub struct Settings {
    /// The numbers.
    pub limits: Limits,
    /// How fields are weighed.
    pub cost: CostRules,
    /// Where points are counted.
    pub buckets: Arc<dyn CostBuckets>,
    /// Origins besides our own whose pages may open websockets (`https://host[:port]`).
    pub origins: Vec<String>,
    /// Documents that may be asked for by their hash.
    pub trusted: Trusted,
    /// Cancelled when the process stops: sockets are closed 1001, event streams completed.
    pub shutdown: CancellationToken,
}

impl Default for Settings {
    fn default() -> Self {
        Limits::default().into()
    }
}

impl From<Limits> for Settings {
    fn from(limits: Limits) -> Self {
        Self {
            limits,
            cost: CostRules::default(),
            buckets: Arc::new(LocalBuckets::default()),
            origins: Vec::new(),
            trusted: Trusted::default(),
            shutdown: CancellationToken::new(),
        }
    }
}

/// Everything a request meets.
struct Plane<G> {
    engine: Arc<dyn run::Engine>,
    gate: G,
    settings: Settings,
    catalogue: catalogue::Catalogue,
    documents: documents::Documents,
}

impl<G> Plane<G> {
    fn limits(&self) -> &Limits {
        &self.settings.limits
    }
}

/// The routes of the graph: `/graphql` for POST, GET, websockets and event streams.
///
/// # Panics
///
/// At start-up, when the schema's own SDL cannot be read back.
pub fn router<Q, M, S, G>(schema: Schema<Q, M, S>, gate: G, settings: impl Into<Settings>) -> Router
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
    G: Gate,
{
    let settings = settings.into();
    let catalogue = catalogue::Catalogue::read(&schema.sdl()).expect("the schema's own SDL can be read back");
    let compress = SizeAbove::new(settings.limits.compress_above)
        .and(NotForContentType::const_new("text/event-stream"))
        .and(NotForContentType::const_new("multipart/mixed"));
    let documents = documents::Documents::default();
    for text in settings.trusted.texts() {
        // It stays refused; the others are served.
        if let Err(fault) = documents.get(text, &settings.limits) {
            let start: String = text.chars().take(60).collect();
            tracing::warn!(document = start, why = %fault.message, "a trusted document cannot be served");
        }
    }
    let plane = Arc::new(Plane { engine: Arc::new(schema), gate, settings, catalogue, documents });
    Router::new()
        .route("/graphql", routing::any(plain::serve::<G>))
        .layer(CompressionLayer::new().gzip(true).compress_when(compress))
        .with_state(plane)
}
