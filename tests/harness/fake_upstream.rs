//! Upstream vendors for the suite: servers on 127.0.0.1 that keep to each vendor's wire format, check what they are
//! sent as strictly as the vendor does (and for leaks more strictly), remember every request and play scripts.
//!
//! ```ignore
//! let fake = FakeUpstream::start(Vendor::Anthropic).await;
//! fake.script([Step::refuse(529), Step::answer().split(Split::Awkward)]);
//! // … point an account with `fake.url()` and `Vendor::Anthropic.key()` at it, make calls …
//! assert_eq!(fake.requests().len(), 2);
//! ```
//!
//! Without a script every documented endpoint gives a complete, deterministic answer. A request that carries somebody
//! else's credentials or a hop-by-hop header is a *fault*: it is answered with a 400 that names it, and dropping the
//! fake with unread faults fails the test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

mod answer;
mod anthropic;
mod azure;
mod bedrock;
mod ccr;
mod codex;
mod eventstream;
mod gemini;
mod kling;
mod midjourney;
mod oauth;
mod openai;
mod reply;
mod script;
mod seen;
mod server;
mod sigv4;
mod state;
mod suno;
mod vendor;
mod vertex;
mod video;

pub use answer::{Answer, Stop, ToolCall, Usage};
pub use bedrock::{ACCESS_KEY, BEARER_KEY, SECRET_KEY};
pub use codex::ACCOUNT_ID;
pub use eventstream::{Frame, decode_frames, encode_frame};
pub use kling::{KLING_ACCESS_KEY, KLING_SECRET_KEY, kling_token_claims};
pub use reply::{Body, Reply};
pub use script::{Refusal, Split, Step};
pub use seen::{Outcome, Seen};
pub use sigv4::{Credentials, verify as verify_sigv4};
pub use vendor::{SUBSCRIPTION_TOKEN, Vendor};
pub use vertex::{PROJECT, SERVICE_ACCOUNT_EMAIL, SERVICE_ACCOUNT_KEY};

use state::Shared;

/// A running fake. It stops when dropped.
pub struct FakeUpstream {
    vendor: Option<Vendor>,
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

impl FakeUpstream {
    /// Starts one vendor on a free port.
    ///
    /// # Panics
    /// When no port of 127.0.0.1 can be bound.
    pub async fn start(vendor: Vendor) -> FakeUpstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of 127.0.0.1 is free");
        FakeUpstream::serve(Some(vendor), listener)
    }

    /// Serves one vendor, or with `None` all of them under `/openai`, `/anthropic`, … on a listener.
    ///
    /// # Panics
    /// When the listener has no local address.
    pub fn serve(vendor: Option<Vendor>, listener: TcpListener) -> FakeUpstream {
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared::new(address));
        let stop = CancellationToken::new();
        tokio::spawn(server::accept(listener, vendor, shared.clone(), stop.clone()));
        FakeUpstream { vendor, address, shared, stop }
    }

    /// The base URL for an account, without a trailing slash and without a version folder.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base URL of one vendor: of the only one, or of its folder where all are served.
    pub fn url_of(&self, vendor: Vendor) -> String {
        match self.vendor {
            Some(_) => self.url(),
            None => format!("{}/{}", self.url(), vendor.prefix()),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far, in order of arrival.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.requests()
    }

    /// Requests whose path contains `part`.
    pub fn requests_to(&self, part: &str) -> Vec<Seen> {
        self.requests().into_iter().filter(|seen| seen.path.contains(part)).collect()
    }

    /// The latest request.
    ///
    /// # Panics
    /// When there was none.
    pub fn last(&self) -> Seen {
        self.requests().pop().expect("a request reached the fake upstream")
    }

    /// Forgets the requests seen so far.
    pub fn forget(&self) {
        self.shared.forget();
    }

    /// Waits until `count` requests have come and answers them.
    ///
    /// # Panics
    /// When they do not come within ten seconds.
    pub async fn wait_for(&self, count: usize) -> Vec<Seen> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let requests = self.requests();
            if requests.len() >= count {
                return requests;
            }
            assert!(Instant::now() < deadline, "{} of {count} requests came in ten seconds", requests.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Appends steps: each is used up by the first request it applies to, in order; then the default is back.
    pub fn script(&self, steps: impl IntoIterator<Item = Step>) {
        self.shared.script(steps.into_iter().collect());
    }

    /// A step for every request from now on that the script does not take; `None` restores the default.
    pub fn always(&self, step: Option<Step>) {
        self.shared.always(step);
    }

    /// Steps of the script not yet used.
    pub fn steps_left(&self) -> usize {
        self.shared.steps_left()
    }

    /// What the model says from now on, in place of the default answer.
    pub fn say(&self, answer: Answer) {
        self.shared.say(answer);
    }

    /// The figures every reply reports from now on.
    pub fn report_usage(&self, usage: Usage) {
        self.shared.report_usage(usage);
    }

    /// The only keys (or access tokens) accepted from now on.
    pub fn accept_only<K: Into<String>>(&self, keys: impl IntoIterator<Item = K>) {
        self.shared.accept_only(keys.into_iter().map(Into::into).collect());
    }

    /// Makes every access token issued so far expired; their refresh tokens stay good.
    pub fn expire_access_tokens(&self) {
        self.shared.memory().oauth.expire_access_tokens();
    }

    /// Makes every refresh token issued so far invalid, as a log-out elsewhere does.
    pub fn revoke_refresh_tokens(&self) {
        self.shared.memory().oauth.revoke_refresh_tokens();
    }

    /// A pair of tokens as if `vendor`'s authorization had just been passed.
    pub fn issue_tokens(&self, vendor: Vendor) -> (String, String) {
        self.shared.memory().oauth.issue(vendor)
    }

    /// How many token refreshes were granted.
    pub fn refreshes(&self) -> usize {
        self.shared.memory().oauth.refreshes()
    }

    /// A secret (a relay key, a client's token) that must never arrive here, in any header, query or body.
    pub fn forbid(&self, secret: impl Into<String>) {
        self.shared.forbid(secret.into());
    }

    /// Makes tasks submitted from now on end in failure.
    pub fn fail_tasks(&self, fail: bool) {
        self.shared.memory().tasks.fail(fail);
    }

    /// How many polls a task stays unfinished (two without this call).
    pub fn finish_tasks_after(&self, polls: u32) {
        self.shared.memory().tasks.finish_after(polls);
    }

    /// Takes the faults noticed so far: leaked credentials, hop-by-hop headers, foreign `Host`.
    pub fn faults(&self) -> Vec<String> {
        self.shared.take_faults()
    }

    /// The JSON of a service account (or OAuth client) whose token address is this fake.
    pub fn service_account_json(&self) -> String {
        vertex::service_account_json(&self.url_of(Vendor::Vertex))
    }

    /// Stops listening and closes every connection: from now on connections are refused.
    pub async fn stop(&self) {
        self.stop.cancel();
        let deadline = Instant::now() + Duration::from_secs(5);
        while tokio::net::TcpStream::connect(self.address).await.is_ok() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for FakeUpstream {
    fn drop(&mut self) {
        self.stop.cancel();
        let faults = self.shared.take_faults();
        if !faults.is_empty() && !std::thread::panicking() {
            panic!("the fake upstream noticed: {}", faults.join("; "));
        }
    }
}

#[cfg(test)]
mod tests;
