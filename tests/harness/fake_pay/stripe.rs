//! A local Stripe: Checkout Sessions with idempotency, refunds, and webhook events signed with HMAC-SHA256.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use ring::hmac;
use schema::payment::{ProviderConfig, StripeConfig};
use serde_json::{Value, json};

use super::{Delivery, FakeTime, Ledger, Message, Mood, Server, Trade, TradeState, Tweak, endless};

/// The account's secret key.
pub const SECRET_KEY: &str = "sk_test_local0000000000000001";
/// The webhook's signing secret.
pub const WEBHOOK_SECRET: &str = "whsec_local0000000000000001";

/// The local Stripe.
pub struct FakeStripe {
    server: Server,
    state: Arc<Account>,
}

struct Account {
    ledger: Ledger,
    clock: FakeTime,
    webhook_url: Mutex<String>,
    /// Request and answer by idempotency key.
    answered: Mutex<HashMap<String, (Vec<u8>, u16, Value)>>,
}

impl FakeStripe {
    pub(super) async fn start(clock: FakeTime) -> Self {
        let state = Arc::new(Account {
            ledger: Ledger::default(),
            clock,
            webhook_url: Mutex::default(),
            answered: Mutex::default(),
        });
        let router = Router::new().fallback(api).with_state(state.clone());
        Self { server: Server::start(router).await, state }
    }

    /// The settings of this account.
    pub fn config(&self) -> ProviderConfig {
        ProviderConfig::Stripe(StripeConfig {
            secret_key: SECRET_KEY.to_owned(),
            webhook_secret: WEBHOOK_SECRET.to_owned(),
            base_url: self.server.base_url.clone(),
        })
    }

    /// Where events go, as set in the dashboard.
    pub fn set_webhook_url(&self, url: &str) {
        *self.state.webhook_url.lock().unwrap_or_else(PoisonError::into_inner) = url.to_owned();
    }

    /// What is known of an order.
    pub fn trade(&self, order_no: &str) -> Option<Trade> {
        self.state.ledger.trade(order_no)
    }

    /// Why requests were refused so far.
    pub fn refusals(&self) -> Vec<String> {
        self.state.ledger.book().refusals.clone()
    }

    /// How to behave from now on.
    pub fn set_mood(&self, mood: Mood) {
        self.state.ledger.book().mood = mood;
    }

    /// The payer pays; nobody is told.
    pub fn mark_paid(&self, order_no: &str) {
        self.state.ledger.mark_paid(order_no, self.state.clock.now_ms());
    }

    /// The payer pays, and the merchant is told.
    pub async fn pay(&self, order_no: &str) -> Delivery {
        self.mark_paid(order_no);
        self.message(order_no, &Tweak::default()).send().await
    }

    /// The event about an order's state.
    pub fn message(&self, order_no: &str, tweak: &Tweak) -> Message {
        let kind = match self.state.ledger.known(order_no).state {
            TradeState::Closed => "checkout.session.expired",
            _ => "checkout.session.completed",
        };
        self.event(order_no, kind, tweak)
    }

    /// An event of any kind about an order's session (or charge, for `charge.*`).
    pub fn event(&self, order_no: &str, kind: &str, tweak: &Tweak) -> Message {
        let mut trade = self.state.ledger.known(order_no);
        if let Some(amount) = tweak.amount {
            trade.amount = amount;
        }
        if let Some(currency) = &tweak.currency {
            trade.currency = currency.to_ascii_lowercase();
        }
        let mut object = if kind.starts_with("charge.") { charge(&trade) } else { session(&trade, false) };
        if let Some(order_no) = &tweak.order_no {
            object["client_reference_id"] = json!(order_no);
        }
        let mut event = json!({
            "id": format!("evt_{order_no}_{}", kind.replace('.', "_")), "object": "event",
            "api_version": "2024-06-20", "created": self.state.clock.now_ms() / 1000,
            "livemode": false, "type": kind, "data": { "object": object },
        });
        if let Some(account) = &tweak.merchant {
            event["account"] = json!(account);
        }
        let body = event.to_string();
        let signed_at = tweak.signed_at_ms.unwrap_or_else(|| self.state.clock.now_ms()) / 1000;
        let secret = if tweak.forged { "whsec_somebody_elses" } else { WEBHOOK_SECRET };
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, format!("{signed_at}.{body}").as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Message {
            url: self.state.webhook_url.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            headers: vec![
                ("content-type".to_owned(), "application/json; charset=utf-8".to_owned()),
                ("stripe-signature".to_owned(), format!("t={signed_at},v1={hex},v0={}", "0".repeat(64))),
            ],
            body: body.into_bytes(),
        }
    }
}

/// Every request.
async fn api(State(state): State<Arc<Account>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mood = state.ledger.book().mood;
    match mood {
        Mood::Broken => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mood::Endless => return endless(),
        _ => {}
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("authorization") != format!("Bearer {SECRET_KEY}") {
        state.ledger.book().refusals.push("the key is wrong".to_owned());
        return reply(401, &failure("invalid_request_error", "Invalid API Key provided: sk_test_****0001"));
    }
    if header("stripe-version").is_empty() {
        state.ledger.book().refusals.push("no version".to_owned());
    }
    let key = header("idempotency-key").to_owned();
    if !key.is_empty() {
        let answered = state.answered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((request, status, answer)) = answered.get(&key) {
            if request.as_slice() == body.as_ref() {
                return reply(*status, answer);
            }
            return reply(400, &failure("idempotency_error", "Keys can only be used with the same parameters"));
        }
    }
    let form: HashMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let (status, answer) = state.answer(&method, uri.path(), uri.query().unwrap_or_default(), &form);
    if !key.is_empty() && status == 200 {
        let mut answered = state.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.insert(key, (body.to_vec(), status, answer.clone()));
    }
    reply(status, &answer)
}

impl Account {
    fn answer(&self, method: &Method, path: &str, query: &str, form: &HashMap<String, String>) -> (u16, Value) {
        const SESSIONS: &str = "/v1/checkout/sessions";
        match (method.as_str(), path) {
            ("POST", SESSIONS) => self.open_session(form),
            ("POST", "/v1/refunds") => self.refund(form),
            ("GET", _) if path.starts_with("/v1/refunds/re_") => {
                (200, json!({ "id": path.trim_start_matches("/v1/refunds/"), "status": "succeeded" }))
            }
            _ => {
                let rest = path.strip_prefix(SESSIONS).and_then(|rest| rest.strip_prefix("/cs_test_"));
                let mut book = self.ledger.book();
                let expire = rest.and_then(|rest| rest.strip_suffix("/expire"));
                match (method.as_str(), expire.or(rest).and_then(|order_no| book.trades.get_mut(order_no))) {
                    ("GET", Some(trade)) => (200, session(trade, query.contains("latest_charge"))),
                    ("POST", Some(trade)) if expire.is_some() && trade.state == TradeState::Open => {
                        trade.state = TradeState::Closed;
                        (200, session(trade, false))
                    }
                    ("POST", Some(_)) => (400, failure("invalid_request_error", "Only open sessions can be expired")),
                    _ => (404, failure("invalid_request_error", "No such checkout.session")),
                }
            }
        }
    }

    fn open_session(&self, form: &HashMap<String, String>) -> (u16, Value) {
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        let lifetime = field("expires_at").parse::<i64>().unwrap_or(0) - self.clock.now_ms() / 1000;
        if !(30 * 60..=24 * 3600).contains(&lifetime) {
            let words = "The `expires_at` timestamp must be between 30 minutes and 24 hours from creation";
            return (400, failure("invalid_request_error", words));
        }
        let amount = field("line_items[0][price_data][unit_amount]").parse::<i64>().unwrap_or(0);
        let complete = field("mode") == "payment"
            && field("line_items[0][quantity]") == "1"
            && field("success_url").starts_with("http")
            && !field("line_items[0][price_data][product_data][name]").is_empty();
        if amount < 1 || !complete {
            return (400, failure("invalid_request_error", "Missing required param"));
        }
        let order_no = field("client_reference_id");
        let trade = Trade {
            transaction_id: format!("pi_{order_no}"),
            subject: field("line_items[0][price_data][product_data][name]"),
            amount,
            currency: field("line_items[0][price_data][currency]"),
            notify_url: String::new(),
            state: TradeState::Open,
            opened: true,
            paid_at_ms: 0,
            expires_at: field("expires_at"),
            refunds: HashMap::new(),
            order_no: order_no.clone(),
        };
        let answer = session(&trade, false);
        self.ledger.book().trades.insert(order_no, trade);
        (200, answer)
    }

    /// The answer says `pending`; asked again, the refund is done.
    fn refund(&self, form: &HashMap<String, String>) -> (u16, Value) {
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        let amount = field("amount").parse::<i64>().unwrap_or(0);
        let mut book = self.ledger.book();
        let trade = book
            .trades
            .values_mut()
            .find(|trade| trade.transaction_id == field("payment_intent") && trade.state == TradeState::Paid);
        match trade {
            None => (404, failure("invalid_request_error", "No such payment_intent")),
            Some(trade) if trade.refunded() + amount > trade.amount => {
                (400, failure("charge_already_refunded", "The refund is greater than the charge"))
            }
            Some(trade) => {
                let number = field("metadata[refund_no]");
                trade.refunds.insert(number.clone(), amount);
                let id = format!("re_{}", number.replace('-', "_"));
                (200, json!({ "id": id, "object": "refund", "amount": amount, "status": "pending" }))
            }
        }
    }
}

/// A session as the API writes it.
fn session(trade: &Trade, expanded: bool) -> Value {
    let paid = trade.state == TradeState::Paid;
    let intent = match (paid, expanded) {
        (false, _) => Value::Null,
        (true, false) => json!(trade.transaction_id),
        (true, true) => {
            json!({ "id": trade.transaction_id, "status": "succeeded", "latest_charge": charge(trade) })
        }
    };
    let id = format!("cs_test_{}", trade.order_no);
    let url = format!("https://checkout.stripe.example/c/pay/{id}");
    json!({
        "id": id, "object": "checkout.session", "livemode": false, "mode": "payment",
        "client_reference_id": trade.order_no, "payment_intent": intent,
        "amount_total": trade.amount, "currency": trade.currency,
        "payment_status": if paid { "paid" } else { "unpaid" },
        "status": match trade.state {
            TradeState::Open => "open",
            TradeState::Paid => "complete",
            TradeState::Closed => "expired",
        },
        "url": if trade.state == TradeState::Open { json!(url) } else { Value::Null },
        "metadata": { "order_no": trade.order_no },
    })
}

/// A charge as the API writes it.
fn charge(trade: &Trade) -> Value {
    json!({
        "id": format!("ch_{}", trade.order_no), "object": "charge", "created": trade.paid_at_ms / 1000,
        "amount": trade.amount, "amount_refunded": trade.refunded(), "currency": trade.currency,
        "refunded": trade.refunded() >= trade.amount, "payment_intent": trade.transaction_id,
        "metadata": { "order_no": trade.order_no },
    })
}

fn failure(kind: &str, message: &str) -> Value {
    json!({ "error": { "type": kind, "message": message } })
}

fn reply(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status of ours");
    (status, [("content-type", "application/json")], body.to_string()).into_response()
}
