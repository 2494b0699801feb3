//! One HTTP exchange with a provider: with a time limit, a size limit, and errors that name no address.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};

use super::PayError;

/// How long a provider may take. Payers wait on this, and so does the sweep that asks about orders that hang.
const TIME_LIMIT: Duration = Duration::from_secs(15);

/// More than any answer of these protocols (a certificate list is some 10 KiB).
const SIZE_LIMIT: usize = 512 * 1024;

/// What came back.
pub(super) struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

/// Sends a request and reads the whole answer.
pub(super) async fn exchange(request: RequestBuilder) -> Result<Answer, PayError> {
    exchange_within(request, TIME_LIMIT).await
}

async fn exchange_within(request: RequestBuilder, limit: Duration) -> Result<Answer, PayError> {
    let mut response = request.timeout(limit).send().await.map_err(|e| unreachable_because(&e))?;
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| unreachable_because(&e))? {
        if body.len() + chunk.len() > SIZE_LIMIT {
            return Err(PayError::Malformed("the answer is too large"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body })
}

/// The kind of failure only: the library's own text may hold the address with its signed parameters.
fn unreachable_because(error: &reqwest::Error) -> PayError {
    PayError::Unreachable(if error.is_timeout() {
        "it took too long"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_builder() {
        "the request could not be built"
    } else {
        "the connection broke"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_provider_that_keeps_silent_is_given_up() -> Result<(), Box<dyn std::error::Error>> {
        // Fails when another test has installed it, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let client = reqwest::Client::builder().no_proxy().build()?;
        let request = client.get(format!("http://{}/?secret=1", listener.local_addr()?));
        let answer = exchange_within(request, Duration::from_millis(50)).await;
        assert_eq!(answer.err(), Some(PayError::Unreachable("it took too long")));
        Ok(())
    }
}
