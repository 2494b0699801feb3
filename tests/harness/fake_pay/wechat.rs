//! A local WeChat Pay API v3: verifies the merchant's request signatures, answers and notifies with the platform's,
//! seals notifications and its certificate under the API v3 key.

mod api;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use jiff::Timestamp;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use schema::payment::{PlatformKeyConfig, ProviderConfig, WechatPayConfig};
use serde_json::{Value, json};

use super::keys::{
    ATTACKER, TestKey, WECHAT_MERCHANT, WECHAT_PLATFORM, WECHAT_PLATFORM_PUBLIC, WECHAT_PLATFORM_SERIAL,
};
use super::{Delivery, FakeTime, Ledger, Message, Mood, Server, Trade, TradeState, Tweak};

/// The application known here.
pub const APP_ID: &str = "wx0000000000000001";
/// The merchant known here.
pub const MCH_ID: &str = "1900000001";
/// The serial number of the merchant's certificate.
pub const MERCHANT_SERIAL: &str = "3775B6A45ACD588826D15E583A95F5DD00000001";
/// The merchant's API v3 key.
pub const API_V3_KEY: &str = "TEST-api-v3-key-32-characters-00";
/// The name of the platform's public key.
pub const PUBLIC_KEY_ID: &str = "PUB_KEY_ID_0119000000012026010100000001";

/// The local WeChat Pay.
pub struct FakeWechat {
    server: Server,
    state: Arc<Platform>,
}

struct Platform {
    ledger: Ledger,
    clock: FakeTime,
    merchant: TestKey,
    platform: TestKey,
    attacker: TestKey,
    seal: LessSafeKey,
    certificate_fetches: AtomicUsize,
}

impl FakeWechat {
    pub(super) async fn start(clock: FakeTime) -> Self {
        let seal = UnboundKey::new(&AES_256_GCM, API_V3_KEY.as_bytes()).expect("32 characters");
        let state = Arc::new(Platform {
            ledger: Ledger::default(),
            clock,
            merchant: TestKey::read(WECHAT_MERCHANT),
            platform: TestKey::read(WECHAT_PLATFORM),
            attacker: TestKey::read(ATTACKER),
            seal: LessSafeKey::new(seal),
            certificate_fetches: AtomicUsize::new(0),
        });
        let router = Router::new().fallback(api::serve).with_state(state.clone());
        Self { server: Server::start(router).await, state }
    }

    /// The settings of a merchant that fetches the platform's certificates.
    pub fn config(&self) -> ProviderConfig {
        ProviderConfig::WechatPay(self.settings(Vec::new()))
    }

    /// The settings of a merchant that was given the platform's public key.
    pub fn config_with_public_key(&self) -> ProviderConfig {
        ProviderConfig::WechatPay(self.settings(vec![PlatformKeyConfig {
            id: Some(PUBLIC_KEY_ID.to_owned()),
            pem: WECHAT_PLATFORM_PUBLIC.to_owned(),
        }]))
    }

    /// The settings with the given platform keys.
    pub fn settings(&self, platform_keys: Vec<PlatformKeyConfig>) -> WechatPayConfig {
        WechatPayConfig {
            app_id: APP_ID.to_owned(),
            mch_id: MCH_ID.to_owned(),
            cert_serial: MERCHANT_SERIAL.to_owned(),
            private_key: WECHAT_MERCHANT.to_owned(),
            api_v3_key: API_V3_KEY.to_owned(),
            platform_keys,
            base_url: self.server.base_url.clone(),
        }
    }

    /// What is known of an order.
    pub fn trade(&self, order_no: &str) -> Option<Trade> {
        self.state.ledger.trade(order_no)
    }

    /// Why requests were refused so far.
    pub fn refusals(&self) -> Vec<String> {
        self.state.ledger.book().refusals.clone()
    }

    /// How often the certificates were asked for.
    pub fn certificate_fetches(&self) -> usize {
        self.state.certificate_fetches.load(Ordering::Relaxed)
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

    /// The notification about an order's state.
    pub fn message(&self, order_no: &str, tweak: &Tweak) -> Message {
        let trade = self.state.ledger.known(order_no);
        let mut content = transaction(&trade);
        if let Some(amount) = tweak.amount {
            content["amount"]["total"] = json!(amount);
        }
        if let Some(currency) = &tweak.currency {
            content["amount"]["currency"] = json!(currency);
        }
        if let Some(merchant) = &tweak.merchant {
            content["mchid"] = json!(merchant);
        }
        if let Some(order_no) = &tweak.order_no {
            content["out_trade_no"] = json!(order_no);
        }
        self.sealed(&trade, "TRANSACTION.SUCCESS", "transaction", &content, tweak)
    }

    /// The notification about a refund of an order.
    pub fn refund_message(&self, order_no: &str, refund_no: &str, tweak: &Tweak) -> Message {
        let trade = self.state.ledger.known(order_no);
        let refund = trade.refunds.get(refund_no).copied().unwrap_or_default();
        let content = json!({
            "mchid": tweak.merchant.as_deref().unwrap_or(MCH_ID),
            "out_trade_no": order_no, "transaction_id": trade.transaction_id,
            "out_refund_no": refund_no, "refund_id": format!("50{refund_no}"), "refund_status": "SUCCESS",
            "success_time": rfc3339(self.state.clock.now_ms()), "user_received_account": "零钱",
            "amount": {
                "total": trade.amount, "refund": refund, "payer_total": trade.amount, "payer_refund": refund,
            },
        });
        self.sealed(&trade, "REFUND.SUCCESS", "refund", &content, tweak)
    }

    fn sealed(&self, trade: &Trade, kind: &str, original: &str, content: &Value, tweak: &Tweak) -> Message {
        let state = &self.state;
        let nonce = "TEST-nonce-1";
        let body = json!({
            "id": format!("EV-{}-{kind}", trade.order_no),
            "create_time": rfc3339(state.clock.now_ms()),
            "resource_type": "encrypt-resource",
            "event_type": kind,
            "summary": "通知",
            "resource": {
                "original_type": original,
                "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": state.seal(content.to_string(), nonce, original),
                "associated_data": original,
                "nonce": nonce,
            },
        })
        .to_string();
        let signer = if tweak.forged { &state.attacker } else { &state.platform };
        let signed_at_ms = tweak.signed_at_ms.unwrap_or_else(|| state.clock.now_ms());
        let mut headers = signature_headers(signer, WECHAT_PLATFORM_SERIAL, signed_at_ms, &body);
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
        Message { url: trade.notify_url.clone(), headers, body: body.into_bytes() }
    }
}

impl Platform {
    /// Seals a text under the API v3 key.
    fn seal(&self, text: String, nonce: &str, associated: &str) -> String {
        let mut bytes = text.into_bytes();
        let nonce = Nonce::try_assume_unique_for_key(nonce.as_bytes()).expect("twelve characters");
        self.seal
            .seal_in_place_append_tag(nonce, Aad::from(associated.as_bytes()), &mut bytes)
            .expect("short enough to seal");
        BASE64_STANDARD.encode(bytes)
    }
}

/// A payment as the API writes it.
fn transaction(trade: &Trade) -> Value {
    let mut content = json!({
        "appid": APP_ID, "mchid": MCH_ID, "out_trade_no": trade.order_no, "trade_type": "NATIVE",
        "trade_state": match trade.state {
            TradeState::Open => "NOTPAY",
            TradeState::Paid if trade.refunded() > 0 => "REFUND",
            TradeState::Paid => "SUCCESS",
            TradeState::Closed => "CLOSED",
        },
        "amount": {
            "total": trade.amount, "payer_total": trade.amount,
            "currency": trade.currency, "payer_currency": trade.currency,
        },
    });
    if trade.state == TradeState::Paid {
        content["transaction_id"] = json!(trade.transaction_id);
        content["success_time"] = json!(rfc3339(trade.paid_at_ms));
    }
    content
}

fn signature_headers(signer: &TestKey, serial: &str, now_ms: i64, body: &str) -> Vec<(String, String)> {
    let (timestamp, nonce) = ((now_ms / 1000).to_string(), "c5ac7061fccab6bf3e254dcf98995b8c");
    let signature = signer.sign(format!("{timestamp}\n{nonce}\n{body}\n").as_bytes());
    [
        ("wechatpay-timestamp", timestamp.as_str()),
        ("wechatpay-nonce", nonce),
        ("wechatpay-serial", serial),
        ("wechatpay-signature", signature.as_str()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn rfc3339(epoch_ms: i64) -> String {
    Timestamp::from_millisecond(epoch_ms / 1000 * 1000).expect("a time of this era").to_string()
}
