//! A local Epay: a signed page, signed notifications by GET, and the question about an order; MD5 throughout.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use md5::{Digest as _, Md5};
use schema::payment::{EpayConfig, ProviderConfig};
use serde_json::json;

use super::{FakeTime, Ledger, Mood, Server, Trade, TradeState, endless};

/// The merchant's number.
pub const MERCHANT: &str = "1001";
/// The merchant's key.
pub const KEY: &str = "epay-local-key-0001";

/// The local Epay.
pub struct FakeEpay {
    server: Server,
    state: Gateway,
}

#[derive(Clone)]
struct Gateway {
    ledger: Ledger,
    clock: FakeTime,
}

/// The published signature, over pairs in any order.
pub fn sign(fields: &BTreeMap<String, String>, key: &str) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        if name == "sign" || name == "sign_type" || value.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(&format!("{name}={value}"));
    }
    text.push_str(key);
    Md5::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

impl FakeEpay {
    /// Starts it on a port of its own.
    pub async fn start(clock: FakeTime) -> Self {
        let state = Gateway { ledger: Ledger::default(), clock };
        let router = Router::new().fallback(gateway).with_state(state.clone());
        Self { server: Server::start(router).await, state }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.server.base_url
    }

    /// The settings of this merchant.
    pub fn config(&self) -> ProviderConfig {
        let (merchant, key) = (MERCHANT.to_owned(), KEY.to_owned());
        ProviderConfig::Epay(EpayConfig { address: self.server.base_url.clone(), merchant, key })
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

    /// The fields of the notification about an order, signed after `change` and with `key`.
    pub fn notice(&self, order_no: &str, key: &str, change: impl Fn(&mut BTreeMap<String, String>)) -> String {
        let trade = self.trade(order_no).expect("the order is known");
        let mut fields: BTreeMap<String, String> = [
            ("pid", MERCHANT),
            ("trade_no", &trade.transaction_id),
            ("out_trade_no", order_no),
            ("type", &trade.currency),
            ("name", &trade.subject),
            ("money", &format!("{}.{:02}", trade.amount / 100, trade.amount % 100)),
            ("trade_status", "TRADE_SUCCESS"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        change(&mut fields);
        let sign = sign(&fields, key);
        fields.insert("sign".to_owned(), sign);
        fields.entry("sign_type".to_owned()).or_insert_with(|| "MD5".to_owned());
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish()
    }
}

async fn gateway(State(state): State<Gateway>, uri: Uri) -> Response {
    let fields: BTreeMap<String, String> =
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    match state.ledger.book().mood {
        Mood::Broken => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mood::Endless => return endless(),
        _ => {}
    }
    match uri.path() {
        "/submit.php" => {
            if field("pid") != MERCHANT || field("sign_type") != "MD5" || sign(&fields, KEY) != field("sign") {
                state.ledger.book().refusals.push("sign".to_owned());
                return "签名校验失败".into_response();
            }
            let minor = field("money").replace('.', "").parse().expect("an amount with two decimals");
            state.ledger.book().trades.entry(field("out_trade_no")).or_insert_with(|| Trade {
                order_no: field("out_trade_no"),
                subject: field("name"),
                amount: minor,
                // The way to pay stands in the currency's place, which this gateway has none of.
                currency: field("type"),
                notify_url: field("notify_url"),
                transaction_id: format!("2026{}", field("out_trade_no")),
                state: TradeState::Open,
                opened: true,
                paid_at_ms: 0,
                expires_at: String::new(),
                refunds: Default::default(),
            });
            "the cashier".into_response()
        }
        "/api.php" if field("act") == "order" => {
            if field("pid") != MERCHANT || field("key") != KEY {
                state.ledger.book().refusals.push("key".to_owned());
                return axum::Json(json!({ "code": -3, "msg": "商户密钥错误" })).into_response();
            }
            let Some(trade) = state.ledger.trade(&field("out_trade_no")) else {
                return axum::Json(json!({ "code": -1, "msg": "订单号不存在" })).into_response();
            };
            let paid = i32::from(trade.state == TradeState::Paid);
            axum::Json(json!({
                "code": 1, "msg": "succ", "trade_no": trade.transaction_id, "out_trade_no": trade.order_no,
                "type": trade.currency, "pid": MERCHANT.parse::<i64>().unwrap_or(0), "addtime": "2026-03-01 18:00:00",
                "money": format!("{}.{:02}", trade.amount / 100, trade.amount % 100), "status": paid,
            }))
            .into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
