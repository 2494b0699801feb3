//! WeChat Pay API v3: native payment (a QR code), query, refund, close. Requests carry the merchant's RSA signature,
//! answers and notifications the platform's; a successful answer without a valid signature counts as forged.

mod notice;
mod platform;
mod proof;

use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::config::{checked_base, required};
use super::keys::{SigningKey, nonce};
use super::transport::{Answer, exchange};
use super::{
    NoticeReply, PayError, PayIntent, PayOrder, PayState, RefundOrder, RefundState, RefundStatus, WechatPayConfig,
};
use platform::PlatformKeys;
use proof::{Sealed, SignedBy};

/// WeChat Pay, with the keys of one merchant.
pub struct WechatPay {
    app_id: String,
    mch_id: String,
    cert_serial: String,
    key: SigningKey,
    v3_key: LessSafeKey,
    platform: PlatformKeys,
    base: String,
}

/// An amount as WeChat Pay writes it: already in fen.
#[derive(Deserialize)]
struct Amount {
    total: i64,
    #[serde(default = "fen")]
    currency: String,
}

/// The currency of an amount that does not say.
fn fen() -> String {
    "CNY".to_owned()
}

/// A payment, in the answer to a query and inside a notification.
#[derive(Deserialize)]
struct Transaction {
    #[serde(default)]
    appid: String,
    mchid: String,
    out_trade_no: String,
    #[serde(default)]
    transaction_id: String,
    trade_state: String,
    #[serde(default)]
    success_time: String,
    amount: Option<Amount>,
}

impl WechatPay {
    pub(super) fn new(config: &WechatPayConfig) -> Result<Self, PayError> {
        const WRONG_KEY: PayError = PayError::Misconfigured("the API v3 key must have 32 characters");
        let v3_key = UnboundKey::new(&AES_256_GCM, config.api_v3_key.trim().as_bytes()).map_err(|_| WRONG_KEY)?;
        let cert_serial = required(&config.cert_serial, "the merchant certificate's serial number is missing")?;
        let mch_id = required(&config.mch_id, "the merchant number is missing")?;
        // Both stand between quotes in a header.
        if !cert_serial.bytes().chain(mch_id.bytes()).all(|b| b.is_ascii_alphanumeric()) {
            return Err(PayError::Misconfigured("merchant and serial numbers are letters and digits"));
        }
        Ok(Self {
            app_id: required(&config.app_id, "the WeChat app id is missing")?,
            mch_id,
            cert_serial,
            key: SigningKey::read(&config.private_key)?,
            v3_key: LessSafeKey::new(v3_key),
            platform: PlatformKeys::read(&config.platform_keys)?,
            base: checked_base(&config.base_url)?,
        })
    }

    pub(super) async fn create(
        &self,
        http: &reqwest::Client,
        order: &PayOrder,
        now_ms: i64,
    ) -> Result<PayIntent, PayError> {
        #[derive(Deserialize)]
        struct Prepaid {
            code_url: String,
        }
        let mut content = json!({
            "appid": self.app_id,
            "mchid": self.mch_id,
            "description": order.subject.chars().take(127).collect::<String>(),
            "out_trade_no": order.order_no,
            "time_expire": platform::time_text(order.expires_at_ms)?,
            "notify_url": order.notify_url,
            "amount": { "total": order.amount_minor, "currency": order.currency },
        });
        if let Some(ip) = &order.client_ip {
            content["scene_info"] = json!({ "payer_client_ip": ip });
        }
        let answer = self.ask(http, Method::POST, "/v3/pay/transactions/native", Some(&content), now_ms).await?;
        let prepaid: Prepaid = read(&answer)?;
        Ok(PayIntent { qr_content: Some(prepaid.code_url), ..PayIntent::default() })
    }

    pub(super) async fn query(
        &self,
        http: &reqwest::Client,
        order_no: &str,
        now_ms: i64,
    ) -> Result<PayState, PayError> {
        let path = format!("/v3/pay/transactions/out-trade-no/{order_no}?mchid={}", self.mch_id);
        let answer = match self.ask(http, Method::GET, &path, None, now_ms).await {
            Err(PayError::Refused { status: 404, .. }) => return Ok(PayState::Pending),
            other => other?,
        };
        let transaction: Transaction = read(&answer)?;
        if transaction.out_trade_no != order_no || transaction.mchid != self.mch_id {
            return Err(PayError::Malformed("the answer is about another order"));
        }
        match transaction.trade_state.as_str() {
            "SUCCESS" => {
                let amount = transaction.amount.ok_or(PayError::Malformed("amount"))?;
                Ok(PayState::Paid {
                    transaction_id: transaction.transaction_id,
                    amount_minor: amount.total,
                    currency: amount.currency,
                    paid_at_ms: platform::time_of(&transaction.success_time).unwrap_or(now_ms),
                })
            }
            "NOTPAY" | "USERPAYING" | "ACCEPT" | "PAYERROR" => Ok(PayState::Pending),
            "CLOSED" | "REVOKED" => Ok(PayState::Closed),
            "REFUND" => Ok(PayState::Refunded),
            _ => Err(PayError::Malformed("trade_state")),
        }
    }

    pub(super) async fn refund(
        &self,
        http: &reqwest::Client,
        refund: &RefundOrder,
        now_ms: i64,
    ) -> Result<RefundState, PayError> {
        #[derive(Deserialize)]
        struct Refunded {
            refund_id: String,
            out_refund_no: String,
            status: String,
        }
        let content = json!({
            "out_trade_no": refund.order_no,
            "out_refund_no": refund.refund_no,
            "reason": refund.reason.chars().take(80).collect::<String>(),
            "amount": {
                "refund": refund.amount_minor, "total": refund.total_minor, "currency": refund.currency,
            },
        });
        let answer = self.ask(http, Method::POST, "/v3/refund/domestic/refunds", Some(&content), now_ms).await?;
        let refunded: Refunded = read(&answer)?;
        if refunded.out_refund_no != refund.refund_no {
            return Err(PayError::Malformed("the answer is about another refund"));
        }
        let status = match refunded.status.as_str() {
            "SUCCESS" => RefundStatus::Succeeded,
            "PROCESSING" => RefundStatus::Processing,
            "CLOSED" | "ABNORMAL" => RefundStatus::Failed,
            _ => return Err(PayError::Malformed("status")),
        };
        Ok(RefundState { status, refund_id: Some(refunded.refund_id) })
    }

    pub(super) async fn close(&self, http: &reqwest::Client, order_no: &str, now_ms: i64) -> Result<(), PayError> {
        let path = format!("/v3/pay/transactions/out-trade-no/{order_no}/close");
        let content = json!({ "mchid": self.mch_id });
        match self.ask(http, Method::POST, &path, Some(&content), now_ms).await {
            Err(PayError::Refused { code, .. }) if code == "ORDER_CLOSED" || code == "ORDER_NOT_EXIST" => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// One signed call whose answer is verified.
    async fn ask(
        &self,
        http: &reqwest::Client,
        method: Method,
        path: &str,
        content: Option<&Value>,
        now_ms: i64,
    ) -> Result<Answer, PayError> {
        let answer = self.ask_unverified(http, method, path, content, now_ms).await?;
        let signed = SignedBy::read(&answer.headers).ok_or(PayError::Forged)?;
        if !signed.is_fresh(now_ms) {
            return Err(PayError::Forged);
        }
        let unknown = PayError::Unreachable("the certificate of its answer is not known yet");
        let key = self.platform_key(http, &signed.serial, now_ms).await?.ok_or(unknown)?;
        if !signed.covers(&answer.body, &key) {
            return Err(PayError::Forged);
        }
        Ok(answer)
    }

    /// One signed call whose answer is taken as it comes: for certificates, which prove themselves. Refusals are
    /// errors; they decide nothing about money, so they need no proof.
    async fn ask_unverified(
        &self,
        http: &reqwest::Client,
        method: Method,
        path: &str,
        content: Option<&Value>,
        now_ms: i64,
    ) -> Result<Answer, PayError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Refusal {
            code: String,
            message: String,
        }
        const BAD_ADDRESS: PayError = PayError::Misconfigured("the WeChat Pay address is no address");
        let url = reqwest::Url::parse(&format!("{}{path}", self.base)).map_err(|_| BAD_ADDRESS)?;
        let body = content.map(Value::to_string).unwrap_or_default();
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let authorization = self.authorization(&method, &target, &body, now_ms.div_euclid(1000), &nonce()?)?;
        let mut request = http
            .request(method, url)
            .header(AUTHORIZATION, authorization)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, "tollgate");
        // Merchants who moved from certificates to the public key say so, or are still answered with a certificate.
        if let Some(id) = self.platform.public_key_id() {
            request = request.header("Wechatpay-Serial", id);
        }
        if content.is_some() {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let answer = exchange(request).await?;
        if !answer.status.is_success() {
            let refusal: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
            return Err(PayError::refused(answer.status.as_u16(), &refusal.code, &refusal.message));
        }
        Ok(answer)
    }

    /// The `Authorization` of one request.
    fn authorization(
        &self,
        method: &Method,
        target: &str,
        body: &str,
        timestamp: i64,
        nonce: &str,
    ) -> Result<String, PayError> {
        let signature = self.key.sign(format!("{method}\n{target}\n{timestamp}\n{nonce}\n{body}\n").as_bytes())?;
        Ok(format!(
            "WECHATPAY2-SHA256-RSA2048 mchid=\"{}\",nonce_str=\"{nonce}\",signature=\"{signature}\",\
             timestamp=\"{timestamp}\",serial_no=\"{}\"",
            self.mch_id, self.cert_serial
        ))
    }
}

/// What WeChat Pay wants for an answer to a notification.
pub(super) fn reply(ok: bool) -> NoticeReply {
    if ok {
        (204, "application/json", "")
    } else {
        (500, "application/json", r#"{"code":"FAIL","message":"the notification was not accepted"}"#)
    }
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, PayError> {
    serde_json::from_slice(&answer.body).map_err(|_| PayError::Malformed("unexpected JSON"))
}
