//! The payment providers, driven against local ones that hold real keys.

mod alipay;
mod bank;
mod epay;
mod stripe;
mod wechat;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use harness::fake_pay::{FakePay, Message, http_client};
use schema::payment::{Notice, NoticeError, PayMode, PayOrder, Provider, ProviderConfig, RefundOrder};

/// A merchant's side of a test: a provider, a client and the order that is sold.
struct Merchant {
    provider: Arc<Provider>,
    http: reqwest::Client,
}

impl Merchant {
    fn new(config: &ProviderConfig) -> Self {
        Self { provider: Arc::new(Provider::new(config).expect("test settings work")), http: http_client() }
    }

    async fn read(&self, message: &Message, now_ms: i64) -> Result<Notice, NoticeError> {
        self.provider.read_notification(&self.http, &message.header_map(), &message.body, now_ms).await
    }
}

/// An order over 19.99.
fn order(order_no: &str, currency: &str, mode: PayMode, now_ms: i64) -> PayOrder {
    PayOrder {
        order_no: order_no.to_owned(),
        subject: "Pro plan 专业版 & more = 1 month".to_owned(),
        amount_minor: 1999,
        currency: currency.to_owned(),
        notify_url: "http://127.0.0.1:9/notify".to_owned(),
        return_url: "http://127.0.0.1:9/pay/SUB1000001?x=1&y=2".to_owned(),
        expires_at_ms: now_ms + 15 * 60_000,
        client_ip: Some("127.0.0.1".to_owned()),
        mode,
        channel: None,
    }
}

fn refund(order_no: &str, refund_no: &str, amount_minor: i64, currency: &str) -> RefundOrder {
    RefundOrder {
        order_no: order_no.to_owned(),
        provider_ref: None,
        refund_no: refund_no.to_owned(),
        amount_minor,
        total_minor: 1999,
        currency: currency.to_owned(),
        reason: "不想要了".to_owned(),
    }
}

/// A notification address that verifies and answers as the provider wants it.
struct Shop {
    url: String,
    seen: Arc<Mutex<Vec<Result<Notice, NoticeError>>>>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct ShopState {
    provider: Arc<Provider>,
    http: reqwest::Client,
    fake: Arc<FakePay>,
    seen: Arc<Mutex<Vec<Result<Notice, NoticeError>>>>,
}

impl Shop {
    async fn open(merchant: &Merchant, fake: &Arc<FakePay>) -> Self {
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let state = ShopState {
            provider: merchant.provider.clone(),
            http: merchant.http.clone(),
            fake: fake.clone(),
            seen: seen.clone(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/notify", listener.local_addr().expect("a bound address"));
        let router = Router::new().fallback(notified).with_state(state);
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { url, seen, server }
    }

    fn seen(&self) -> Vec<Result<Notice, NoticeError>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn notified(State(shop): State<ShopState>, headers: HeaderMap, body: Bytes) -> Response {
    let read = shop.provider.read_notification(&shop.http, &headers, &body, shop.fake.clock.now_ms()).await;
    let ok = read.as_ref().err().is_none_or(NoticeError::is_acknowledged);
    shop.seen.lock().unwrap_or_else(PoisonError::into_inner).push(read);
    let (status, content_type, body) = shop.provider.notification_reply(ok);
    let status = StatusCode::from_u16(status).expect("a status of ours");
    (status, [("content-type", content_type)], body).into_response()
}
