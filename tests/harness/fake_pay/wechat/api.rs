//! What the local WeChat Pay answers to the merchant's requests.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{APP_ID, MCH_ID, MERCHANT_SERIAL, PUBLIC_KEY_ID, Platform, rfc3339, signature_headers, transaction};
use crate::fake_pay::keys::{WECHAT_PLATFORM_CERTIFICATE, WECHAT_PLATFORM_SERIAL};
use crate::fake_pay::{Message, Mood, Trade, TradeState, endless};

/// Every request.
pub(super) async fn serve(
    State(state): State<Arc<Platform>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mood = state.ledger.book().mood;
    match mood {
        Mood::Broken => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mood::Endless => return endless(),
        _ => {}
    }
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let text = String::from_utf8_lossy(&body);
    let (status, answer) = match state.check(&method, target, &headers, &text) {
        Err(why) => {
            state.ledger.book().refusals.push(why.to_owned());
            (401, json!({ "code": "SIGN_ERROR", "message": why }))
        }
        Ok(()) => state.answer(&method, target, &text),
    };
    let status = StatusCode::from_u16(status).expect("a status of ours");
    let text = if status == StatusCode::NO_CONTENT { String::new() } else { answer.to_string() };
    let signer = if mood == Mood::ForgedAnswers { &state.attacker } else { &state.platform };
    let asked = headers.get("wechatpay-serial").and_then(|value| value.to_str().ok());
    let serial = if asked == Some(PUBLIC_KEY_ID) { PUBLIC_KEY_ID } else { WECHAT_PLATFORM_SERIAL };
    let signature = signature_headers(signer, serial, state.clock.now_ms(), &text);
    let text = if mood == Mood::TamperedAnswers { format!("{text} ") } else { text };
    let mut response = (status, [("content-type", "application/json")], text).into_response();
    if mood != Mood::UnsignedAnswers {
        let message = Message { url: String::new(), headers: signature, body: Vec::new() };
        response.headers_mut().extend(message.header_map());
    }
    response
}

impl Platform {
    /// Whether the request carries the merchant's signature.
    fn check(&self, method: &Method, target: &str, headers: &HeaderMap, body: &str) -> Result<(), &'static str> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let fields = header("authorization").strip_prefix("WECHATPAY2-SHA256-RSA2048 ").ok_or("no authorization")?;
        let fields: HashMap<_, _> = fields
            .split(',')
            .filter_map(|field| field.split_once('='))
            .map(|(name, value)| (name, value.trim_matches('"')))
            .collect();
        let field = |name: &str| fields.get(name).copied().unwrap_or_default();
        if field("mchid") != MCH_ID || field("serial_no") != MERCHANT_SERIAL {
            return Err("the merchant is unknown");
        }
        let signed_at: i64 = field("timestamp").parse().map_err(|_| "no timestamp")?;
        if (self.clock.now_ms() / 1000).abs_diff(signed_at) > 300 {
            return Err("the timestamp is too old");
        }
        if header("accept") != "application/json" || header("user-agent").is_empty() {
            return Err("accept and user-agent are required");
        }
        let message = format!("{method}\n{target}\n{signed_at}\n{}\n{body}\n", field("nonce_str"));
        if self.merchant.verifies(message.as_bytes(), field("signature")) {
            Ok(())
        } else {
            Err("the signature is wrong")
        }
    }

    fn answer(&self, method: &Method, target: &str, body: &str) -> (u16, Value) {
        const TRADE: &str = "/v3/pay/transactions/out-trade-no/";
        let content: Value = serde_json::from_str(body).unwrap_or_default();
        let get = *method == Method::GET;
        match target {
            "/v3/certificates" if get => (200, self.certificates()),
            "/v3/pay/transactions/native" if !get => self.prepay(&content),
            "/v3/refund/domestic/refunds" if !get => self.refund(&content),
            _ => match target.strip_prefix(TRADE) {
                Some(rest) if get => match rest.split_once("?mchid=") {
                    Some((order_no, MCH_ID)) => match self.ledger.trade(order_no) {
                        Some(trade) => (200, transaction(&trade)),
                        None => no("ORDER_NOT_EXIST", 404),
                    },
                    _ => no("PARAM_ERROR", 400),
                },
                Some(rest) => match rest.strip_suffix("/close") {
                    Some(order_no) if content["mchid"] == MCH_ID => self.close(order_no),
                    _ => no("PARAM_ERROR", 400),
                },
                None => no("RESOURCE_NOT_EXISTS", 404),
            },
        }
    }

    fn certificates(&self) -> Value {
        self.certificate_fetches.fetch_add(1, Ordering::Relaxed);
        let nonce = "TEST-nonce-2";
        json!({ "data": [{
            "serial_no": WECHAT_PLATFORM_SERIAL,
            "effective_time": rfc3339(self.clock.now_ms() - 86_400_000),
            "expire_time": rfc3339(self.clock.now_ms() + 30 * 86_400_000),
            "encrypt_certificate": {
                "algorithm": "AEAD_AES_256_GCM",
                "nonce": nonce,
                "associated_data": "certificate",
                "ciphertext": self.seal(WECHAT_PLATFORM_CERTIFICATE.to_owned(), nonce, "certificate"),
            },
        }] })
    }

    fn prepay(&self, content: &Value) -> (u16, Value) {
        let text = |name: &str| content[name].as_str().unwrap_or_default().to_owned();
        let (order_no, amount) = (text("out_trade_no"), content["amount"]["total"].as_i64().unwrap_or(0));
        if text("appid") != APP_ID || text("mchid") != MCH_ID || order_no.len() < 6 || amount < 1 {
            return no("PARAM_ERROR", 400);
        }
        if content["amount"]["currency"] != "CNY" || text("time_expire").parse::<Timestamp>().is_err() {
            return no("PARAM_ERROR", 400);
        }
        let mut book = self.ledger.book();
        let trade = book.trades.entry(order_no.clone()).or_insert_with(|| Trade {
            transaction_id: format!("42000{order_no}"),
            subject: text("description"),
            amount,
            currency: "CNY".to_owned(),
            notify_url: text("notify_url"),
            state: TradeState::Open,
            opened: true,
            paid_at_ms: 0,
            expires_at: text("time_expire"),
            refunds: HashMap::new(),
            order_no: order_no.clone(),
        });
        match trade.state {
            _ if trade.amount != amount => no("INVALID_REQUEST", 400),
            TradeState::Paid => no("ORDERPAID", 400),
            TradeState::Closed => no("ORDER_CLOSED", 400),
            TradeState::Open => (200, json!({ "code_url": format!("weixin://wxpay/bizpayurl?pr={order_no}") })),
        }
    }

    fn close(&self, order_no: &str) -> (u16, Value) {
        let mut book = self.ledger.book();
        match book.trades.get_mut(order_no) {
            None => no("ORDER_NOT_EXIST", 404),
            Some(trade) if trade.state == TradeState::Paid => no("ORDERPAID", 400),
            Some(trade) => {
                trade.state = TradeState::Closed;
                (204, Value::Null)
            }
        }
    }

    /// The first request starts a refund, which is done by the time of the next.
    fn refund(&self, content: &Value) -> (u16, Value) {
        let text = |name: &str| content[name].as_str().unwrap_or_default().to_owned();
        let refund_no = text("out_refund_no");
        let amount = content["amount"]["refund"].as_i64().unwrap_or(0);
        let mut book = self.ledger.book();
        let Some(trade) = book.trades.get_mut(&text("out_trade_no")).filter(|t| t.state == TradeState::Paid) else {
            return no("RESOURCE_NOT_EXISTS", 404);
        };
        if content["amount"]["total"] != trade.amount || content["amount"]["currency"] != "CNY" {
            return no("PARAM_ERROR", 400);
        }
        let known = trade.refunds.get(&refund_no).copied();
        if known.is_some_and(|before| before != amount) {
            return no("INVALID_REQUEST", 400);
        }
        if known.is_none() && trade.refunded() + amount > trade.amount {
            return no("NOT_ENOUGH", 403);
        }
        trade.refunds.insert(refund_no.clone(), amount);
        let status = if known.is_some() { "SUCCESS" } else { "PROCESSING" };
        let answer = json!({
            "refund_id": format!("50{refund_no}"), "out_refund_no": refund_no, "status": status,
            "transaction_id": trade.transaction_id, "out_trade_no": trade.order_no,
            "amount": { "total": trade.amount, "refund": amount, "currency": "CNY" },
        });
        (200, answer)
    }
}

fn no(code: &str, status: u16) -> (u16, Value) {
    (status, json!({ "code": code, "message": "拒绝" }))
}
