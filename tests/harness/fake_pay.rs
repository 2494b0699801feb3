//! Local payment providers that hold real keys: an Alipay, a WeChat Pay and a Stripe on 127.0.0.1. They verify what they
//! are sent by the vendors' published rules, answer signed, and send signed notifications when told that an order was
//! paid. Written from the protocols and not from our own code, so that both would have to be wrong in the same way.

pub mod alipay;
pub mod epay;
pub mod keys;
pub mod stripe;
pub mod wechat;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};

pub use alipay::FakeAlipay;
pub use epay::FakeEpay;
pub use stripe::FakeStripe;
pub use wechat::FakeWechat;

/// All three providers.
pub struct FakePay {
    /// The time they all go by.
    pub clock: FakeTime,
    /// The local Alipay.
    pub alipay: FakeAlipay,
    /// The local WeChat Pay.
    pub wechat: FakeWechat,
    /// The local Stripe.
    pub stripe: FakeStripe,
}

impl FakePay {
    /// Starts the three on ports of their own.
    pub async fn start() -> Self {
        let clock = FakeTime::default();
        Self {
            alipay: FakeAlipay::start(clock.clone()).await,
            wechat: FakeWechat::start(clock.clone()).await,
            stripe: FakeStripe::start(clock.clone()).await,
            clock,
        }
    }
}

/// The providers' time: the machine's until it is set.
#[derive(Clone, Default)]
pub struct FakeTime(Arc<AtomicI64>);

impl FakeTime {
    /// Now, in epoch milliseconds.
    pub fn now_ms(&self) -> i64 {
        match self.0.load(Ordering::Relaxed) {
            0 => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)),
            set => set,
        }
    }

    /// Stops the time at `now_ms`.
    pub fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }
}

/// How a provider behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// As published.
    #[default]
    Honest,
    /// Signs its answers with somebody else's key.
    ForgedAnswers,
    /// Does not sign its answers.
    UnsignedAnswers,
    /// Signs, and changes the answer afterwards.
    TamperedAnswers,
    /// Answers 500 to everything.
    Broken,
    /// Answers more than anyone should read.
    Endless,
}

/// How far a trade has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TradeState {
    /// Waits for the payer.
    Open,
    /// The payer paid.
    Paid,
    /// Closed or expired without payment.
    Closed,
}

/// One order as a provider knows it.
#[derive(Clone, Debug)]
pub struct Trade {
    /// The merchant's number.
    pub order_no: String,
    /// What the payer reads.
    pub subject: String,
    /// The price in the provider's unit.
    pub amount: i64,
    /// The currency as the provider writes it.
    pub currency: String,
    /// Where to report to.
    pub notify_url: String,
    /// The provider's number of the payment.
    pub transaction_id: String,
    /// How far it has come.
    pub state: TradeState,
    /// Whether the payer has opened it (Alipay knows no trade before).
    pub opened: bool,
    /// When it was paid.
    pub paid_at_ms: i64,
    /// When it stops being payable, as it was asked for.
    pub expires_at: String,
    /// Refunds by the merchant's number.
    pub refunds: HashMap<String, i64>,
}

impl Trade {
    /// What has been given back.
    pub fn refunded(&self) -> i64 {
        self.refunds.values().sum()
    }
}

/// What a provider remembers.
#[derive(Default)]
pub(crate) struct Book {
    pub trades: HashMap<String, Trade>,
    /// Requests that were refused for their form or signature.
    pub refusals: Vec<String>,
    pub mood: Mood,
}

/// The memory, shared between a provider's server and the test.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Book>>);

impl Ledger {
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn trade(&self, order_no: &str) -> Option<Trade> {
        self.book().trades.get(order_no).cloned()
    }

    /// The trade of a test's order, which has to be there.
    pub fn known(&self, order_no: &str) -> Trade {
        self.trade(order_no).unwrap_or_else(|| panic!("no trade for order {order_no}"))
    }

    pub fn mark_paid(&self, order_no: &str, now_ms: i64) {
        let mut book = self.book();
        let trade = book.trades.get_mut(order_no).unwrap_or_else(|| panic!("no trade for order {order_no}"));
        trade.state = TradeState::Paid;
        trade.opened = true;
        trade.paid_at_ms = now_ms;
    }
}

/// What is to be wrong with a notification. The default is an honest one.
#[derive(Clone, Debug, Default)]
pub struct Tweak {
    /// Signed by somebody else.
    pub forged: bool,
    /// Another amount than was asked for, properly signed.
    pub amount: Option<i64>,
    /// Another currency, properly signed (Alipay has none).
    pub currency: Option<String>,
    /// Another merchant or application, properly signed.
    pub merchant: Option<String>,
    /// Another time of signing.
    pub signed_at_ms: Option<i64>,
    /// Another order's number, properly signed.
    pub order_no: Option<String>,
}

impl Tweak {
    /// Signed by somebody else.
    pub fn forged() -> Self {
        Self { forged: true, ..Self::default() }
    }

    /// Another amount.
    pub fn amount(amount: i64) -> Self {
        Self { amount: Some(amount), ..Self::default() }
    }

    /// Another currency.
    pub fn currency(currency: &str) -> Self {
        Self { currency: Some(currency.to_owned()), ..Self::default() }
    }

    /// Another merchant.
    pub fn merchant(merchant: &str) -> Self {
        Self { merchant: Some(merchant.to_owned()), ..Self::default() }
    }

    /// Another time of signing.
    pub fn signed_at(now_ms: i64) -> Self {
        Self { signed_at_ms: Some(now_ms), ..Self::default() }
    }

    /// Another order.
    pub fn order(order_no: &str) -> Self {
        Self { order_no: Some(order_no.to_owned()), ..Self::default() }
    }
}

/// A notification, ready to be sent, replayed or tampered with.
#[derive(Clone, Debug)]
pub struct Message {
    /// Where it goes.
    pub url: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body, as signed.
    pub body: Vec<u8>,
}

/// What the merchant said to a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Message {
    /// The headers as a server sees them.
    pub fn header_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name of ours");
            map.insert(name, HeaderValue::from_str(value).expect("a header value of ours"));
        }
        map
    }

    /// Posts it.
    pub async fn send(&self) -> Delivery {
        let request = http_client().post(&self.url).headers(self.header_map()).body(self.body.clone());
        let response = request.send().await.expect("the merchant's notification address answers");
        let status = response.status().as_u16();
        Delivery { status, body: response.text().await.unwrap_or_default() }
    }

    /// The same with the first `from` in the body replaced, the signature left as it was.
    pub fn tampered(&self, from: &str, to: &str) -> Self {
        let body = String::from_utf8(self.body.clone()).expect("notifications are text");
        assert!(body.contains(from), "nothing to tamper with: {from} is not in {body}");
        Self { body: body.replacen(from, to, 1).into_bytes(), ..self.clone() }
    }
}

/// A client that leaves proxies of the environment alone.
pub fn http_client() -> reqwest::Client {
    // Fails when a test before this one has installed it, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a plain client")
}

/// A server that ends with the value.
pub(crate) struct Server {
    pub base_url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub async fn start(router: axum::Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let task = tokio::spawn(async move {
            // Ends when it is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Self { base_url: format!("http://{address}"), task }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The answer nobody should read to its end.
pub(crate) fn endless() -> axum::response::Response {
    axum::response::Response::new(axum::body::Body::from(vec![b' '; 4 << 20]))
}
