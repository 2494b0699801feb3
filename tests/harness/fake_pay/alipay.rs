//! A local Alipay gateway: verifies RSA2 over the sorted parameters, answers signed, notifies signed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, offset};
use schema::payment::{AlipayConfig, ProviderConfig, format_minor, parse_minor};
use serde_json::{Value, json};

use super::keys::{ALIPAY_MERCHANT, ALIPAY_PLATFORM, ALIPAY_PLATFORM_PUBLIC, ATTACKER, TestKey};
use super::{Delivery, FakeTime, Ledger, Message, Mood, Server, Trade, TradeState, Tweak, endless};

/// The application known here.
pub const APP_ID: &str = "2021000000000001";
/// Its seller.
pub const SELLER_ID: &str = "2088000000000001";

/// The local Alipay.
pub struct FakeAlipay {
    server: Server,
    state: Arc<Gateway>,
}

struct Gateway {
    ledger: Ledger,
    clock: FakeTime,
    merchant: TestKey,
    platform: TestKey,
    attacker: TestKey,
}

impl FakeAlipay {
    pub(super) async fn start(clock: FakeTime) -> Self {
        let state = Arc::new(Gateway {
            ledger: Ledger::default(),
            clock,
            merchant: TestKey::read(ALIPAY_MERCHANT),
            platform: TestKey::read(ALIPAY_PLATFORM),
            attacker: TestKey::read(ATTACKER),
        });
        let router = Router::new().route("/gateway.do", any(gateway)).with_state(state.clone());
        Self { server: Server::start(router).await, state }
    }

    /// The settings of a merchant of this Alipay.
    pub fn config(&self) -> ProviderConfig {
        ProviderConfig::Alipay(AlipayConfig {
            app_id: APP_ID.to_owned(),
            seller_id: Some(SELLER_ID.to_owned()),
            private_key: ALIPAY_MERCHANT.to_owned(),
            alipay_public_key: ALIPAY_PLATFORM_PUBLIC.to_owned(),
            gateway_url: format!("{}/gateway.do", self.server.base_url),
        })
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

    /// The payer opens the page or scans the code, and waits.
    pub fn open(&self, order_no: &str) {
        if let Some(trade) = self.state.ledger.book().trades.get_mut(order_no) {
            trade.opened = true;
        }
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

    /// The notification about an order's state.
    pub fn message(&self, order_no: &str, tweak: &Tweak) -> Message {
        let trade = self.state.ledger.known(order_no);
        let amount = tweak.amount.unwrap_or(trade.amount);
        let status = trade_status(&trade);
        let mut fields = BTreeMap::from([
            ("notify_time", beijing(tweak.signed_at_ms.unwrap_or_else(|| self.state.clock.now_ms()))),
            ("notify_type", "trade_status_sync".to_owned()),
            ("notify_id", format!("{order_no}-{status}-{}", trade.refunded())),
            ("app_id", tweak.merchant.clone().unwrap_or_else(|| APP_ID.to_owned())),
            ("charset", "utf-8".to_owned()),
            ("version", "1.0".to_owned()),
            ("trade_no", trade.transaction_id.clone()),
            ("out_trade_no", tweak.order_no.clone().unwrap_or_else(|| order_no.to_owned())),
            ("seller_id", SELLER_ID.to_owned()),
            ("trade_status", status.to_owned()),
            ("total_amount", format_minor(amount, "CNY")),
            ("subject", trade.subject.clone()),
        ]);
        if trade.paid_at_ms > 0 {
            fields.insert("gmt_payment", beijing(trade.paid_at_ms));
        }
        if trade.refunded() > 0 {
            fields.insert("refund_fee", format_minor(trade.refunded(), "CNY"));
        }
        let text = fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let signer = if tweak.forged { &self.state.attacker } else { &self.state.platform };
        fields.insert("sign", signer.sign(text.as_bytes()));
        fields.insert("sign_type", "RSA2".to_owned());
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
        Message {
            url: trade.notify_url,
            headers: vec![("content-type".to_owned(), "application/x-www-form-urlencoded; charset=utf-8".to_owned())],
            body: form.into_bytes(),
        }
    }
}

/// Every request, by page or by program.
async fn gateway(
    State(state): State<Arc<Gateway>>,
    method: Method,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let mood = state.ledger.book().mood;
    match mood {
        Mood::Broken => return axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mood::Endless => return endless(),
        _ => {}
    }
    let mut fields = BTreeMap::new();
    for source in [query.unwrap_or_default().as_bytes(), body.as_ref()] {
        for (name, value) in form_urlencoded::parse(source) {
            fields.insert(name.into_owned(), value.into_owned());
        }
    }
    let api = fields.get("method").cloned().unwrap_or_default();
    let node = match state.check(&fields) {
        Err(why) => {
            state.ledger.book().refusals.push(why.to_owned());
            let refusal = failure("40002", "Invalid Arguments", "isv.invalid-signature", why);
            return json_text(format!(r#"{{"error_response":{refusal}}}"#));
        }
        Ok(content) if method == Method::GET && api == "alipay.trade.page.pay" => {
            state.register(&fields, &content, true);
            return axum::response::Html("<h1>Pay</h1>").into_response();
        }
        Ok(content) => state.answer(&api, &fields, &content),
    };
    let text = node.to_string();
    let signature = match mood {
        Mood::ForgedAnswers => state.attacker.sign(text.as_bytes()),
        _ => state.platform.sign(text.as_bytes()),
    };
    let name = format!("{}_response", api.replace('.', "_"));
    let text = match mood {
        Mood::TamperedAnswers => text.replacen('{', "{ ", 1),
        _ => text,
    };
    json_text(match mood {
        Mood::UnsignedAnswers => format!(r#"{{"{name}":{text}}}"#),
        _ => format!(r#"{{"{name}":{text},"sign":"{signature}"}}"#),
    })
}

impl Gateway {
    /// The business content of a request that is signed and complete.
    fn check(&self, fields: &BTreeMap<String, String>) -> Result<Value, &'static str> {
        let field = |name: &str| fields.get(name).map_or("", String::as_str);
        let signed: Vec<_> = fields
            .iter()
            .filter(|(name, value)| *name != "sign" && !value.is_empty())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !self.merchant.verifies(signed.join("&").as_bytes(), field("sign")) {
            return Err("the signature is wrong");
        }
        if field("app_id") != APP_ID {
            return Err("the application is unknown");
        }
        let common = [("format", "JSON"), ("charset", "utf-8"), ("sign_type", "RSA2"), ("version", "1.0")];
        if common.iter().any(|(name, value)| field(name) != *value) {
            return Err("a common parameter is wrong");
        }
        let sent = field("timestamp").parse::<DateTime>().and_then(|time| time.to_zoned(beijing_zone()));
        match sent.map(|time| time.timestamp().as_millisecond()) {
            Ok(sent_ms) if self.clock.now_ms().abs_diff(sent_ms) < 15 * 60_000 => {}
            _ => return Err("the timestamp is wrong"),
        }
        serde_json::from_str(field("biz_content")).map_err(|_| "biz_content is not JSON")
    }

    /// Notes an order.
    fn register(&self, fields: &BTreeMap<String, String>, content: &Value, opened: bool) {
        let text = |name: &str| content[name].as_str().unwrap_or_default().to_owned();
        let order_no = text("out_trade_no");
        let mut book = self.ledger.book();
        let number = 2026_0000_0000 + book.trades.len();
        let trade = book.trades.entry(order_no.clone()).or_insert_with(|| Trade {
            transaction_id: format!("{number}{order_no}"),
            subject: text("subject"),
            amount: parse_minor(&text("total_amount"), "CNY").expect("an amount with two decimals"),
            currency: "CNY".to_owned(),
            notify_url: fields.get("notify_url").cloned().unwrap_or_default(),
            state: TradeState::Open,
            opened: false,
            paid_at_ms: 0,
            expires_at: text("time_expire"),
            refunds: HashMap::new(),
            order_no,
        });
        trade.opened |= opened;
    }

    fn answer(&self, api: &str, fields: &BTreeMap<String, String>, content: &Value) -> Value {
        let order_no = content["out_trade_no"].as_str().unwrap_or_default();
        if api == "alipay.trade.precreate" {
            self.register(fields, content, false);
            let code = format!("https://qr.alipay.example/{order_no}");
            return json!({ "code": "10000", "msg": "Success", "out_trade_no": order_no, "qr_code": code });
        }
        let mut book = self.ledger.book();
        let Some(trade) = book.trades.get_mut(order_no).filter(|trade| trade.opened) else {
            return failure("40004", "Business Failed", "ACQ.TRADE_NOT_EXIST", "交易不存在");
        };
        let mut node = json!({
            "code": "10000", "msg": "Success", "out_trade_no": order_no, "trade_no": trade.transaction_id,
        });
        match api {
            "alipay.trade.query" => {
                node["trade_status"] = json!(trade_status(trade));
                node["total_amount"] = json!(format_minor(trade.amount, "CNY"));
                if trade.paid_at_ms > 0 {
                    node["send_pay_date"] = json!(beijing(trade.paid_at_ms));
                }
            }
            "alipay.trade.close" => match trade.state {
                TradeState::Open => trade.state = TradeState::Closed,
                _ => return failure("40004", "Business Failed", "ACQ.TRADE_STATUS_ERROR", "交易状态不合法"),
            },
            "alipay.trade.refund" => {
                let amount = content["refund_amount"].as_str().and_then(|text| parse_minor(text, "CNY"));
                let request = content["out_request_no"].as_str().unwrap_or_default();
                let (Some(amount), TradeState::Paid) = (amount, trade.state) else {
                    return failure("40004", "Business Failed", "ACQ.TRADE_STATUS_ERROR", "交易状态不合法");
                };
                let known = trade.refunds.contains_key(request);
                if !known && trade.refunded() + amount > trade.amount {
                    return failure("40004", "Business Failed", "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超限");
                }
                trade.refunds.entry(request.to_owned()).or_insert(amount);
                node["fund_change"] = json!(if known { "N" } else { "Y" });
                node["refund_fee"] = json!(format_minor(trade.refunded(), "CNY"));
            }
            "alipay.trade.fastpay.refund.query" => {
                let request = content["out_request_no"].as_str().unwrap_or_default();
                if let Some(amount) = trade.refunds.get(request) {
                    node["refund_status"] = json!("REFUND_SUCCESS");
                    node["refund_amount"] = json!(format_minor(*amount, "CNY"));
                }
            }
            _ => return failure("40002", "Invalid Arguments", "isv.invalid-method", "不存在的方法名"),
        }
        node
    }
}

fn failure(code: &str, msg: &str, sub_code: &str, sub_msg: &str) -> Value {
    json!({ "code": code, "msg": msg, "sub_code": sub_code, "sub_msg": sub_msg })
}

fn trade_status(trade: &Trade) -> &'static str {
    match trade.state {
        TradeState::Open => "WAIT_BUYER_PAY",
        TradeState::Paid if trade.refunded() >= trade.amount => "TRADE_CLOSED",
        TradeState::Paid => "TRADE_SUCCESS",
        TradeState::Closed => "TRADE_CLOSED",
    }
}

fn json_text(text: String) -> Response {
    ([("content-type", "text/html;charset=utf-8")], text).into_response()
}

fn beijing(epoch_ms: i64) -> String {
    let time = Timestamp::from_millisecond(epoch_ms).expect("a time of this era");
    time.to_zoned(beijing_zone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn beijing_zone() -> TimeZone {
    TimeZone::fixed(offset(8))
}
