//! Listening and serving: no Nagle, limits of size and time on what clients send, a stop that cuts no request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use schema::service::setting::{self, names};
use schema::{App, Error, Result};
use tokio::net::TcpListener;

use super::origin::Peer;
use super::patience::{Limits, Over, Patient};

/// The largest head of a request.
const HEAD: usize = 128 << 10;
/// The most headers of a request.
const HEADERS: usize = 128;

/// Takes the port.
pub async fn bind(listen: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(listen)
        .await
        .map_err(|e| Error::unavailable(format!("LISTEN: the address {listen} cannot be served on"), &e))
}

/// Where a listener listens: as it was told, with the port that the system chose where it was told none.
pub fn place(listener: &TcpListener, told: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(told)
}

/// Serves until the application is told to stop, then lets open requests end within the limit.
pub async fn serve<A, F>(app: &App, listener: TcpListener, answer: A)
where
    A: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = app.stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(cause) => {
                // Out of file descriptors, most likely: a pause lets some be given back.
                tracing::warn!(%cause, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Without this, small stream events wait up to 40 ms for the peer's delayed acknowledgement.
        let _ = socket.set_nodelay(true);
        let answer = answer.clone();
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            let answered = answer(request.map(Body::new));
            async { Ok::<_, Infallible>(answered.await) }
        });
        let (limits, over) = (limits(app), Over::default());
        let socket = TokioIo::new(Patient::new(socket, limits, over.clone()));
        let connection =
            graceful.watch(builder(limits.first).serve_connection_with_upgrades(socket, service).into_owned());
        tokio::spawn(async move {
            let mut connection = std::pin::pin!(connection);
            if let Err(cause) = connection.as_mut().await {
                if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout) {
                    over.note();
                }
                tracing::debug!(%cause, "a connection ended");
            }
        });
    }
    drop(listener);
    let limit = Duration::from_secs(app.config.stop_seconds);
    if tokio::time::timeout(limit, graceful.shutdown()).await.is_err() {
        tracing::warn!("stopped before every request had ended");
    }
}

/// How long clients may take, by the settings of the moment.
fn limits(app: &App) -> Limits {
    let settings = setting::current(app);
    let seconds = |name: &str| Duration::from_secs(u64::try_from(settings.int(name)).unwrap_or(0).max(1));
    Limits { first: seconds(names::SLOW_CLIENT_SECONDS), stuck: seconds(names::STREAM_IDLE_SECONDS) }
}

/// The protocols, with what a head may be and how long it may take.
fn builder(head: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head).max_headers(HEADERS).max_buf_size(HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(30))
        .max_header_list_size(64 * 1024)
        .max_concurrent_streams(1_000);
    builder
}
