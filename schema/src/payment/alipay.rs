//! Alipay OpenAPI: page payment, QR pre-creation, query, refund, close. Requests and answers are signed with RSA2
//! (SHA-256 with RSA) over sorted parameters; the gateway's times are Beijing's.

mod notice;
mod sign;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, offset};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::config::{checked_base, required};
use super::keys::{SigningKey, VerifyingKey};
use super::transport::exchange;
use super::{
    AlipayConfig, NoticeReply, PayError, PayIntent, PayMode, PayOrder, PayState, RefundOrder, RefundState,
    RefundStatus, format_minor, parse_minor,
};

/// The only currency these products settle in.
const CURRENCY: &str = "CNY";

/// The code of an answer that says yes.
const SUCCESS: &str = "10000";

/// Alipay, with the keys of one application.
pub struct Alipay {
    app_id: String,
    seller_id: Option<String>,
    key: SigningKey,
    platform: VerifyingKey,
    gateway: String,
}

/// The fields we read of the gateway's answers; which are there depends on the method.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Reply {
    code: String,
    msg: String,
    sub_code: String,
    sub_msg: String,
    out_trade_no: String,
    trade_no: String,
    trade_status: String,
    total_amount: String,
    send_pay_date: String,
    qr_code: String,
    fund_change: String,
    refund_status: String,
}

impl Alipay {
    pub(super) fn new(config: &AlipayConfig) -> Result<Self, PayError> {
        Ok(Self {
            app_id: required(&config.app_id, "the Alipay app_id is missing")?,
            seller_id: config.seller_id.as_deref().map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned),
            key: SigningKey::read(&config.private_key)?,
            platform: VerifyingKey::read(&config.alipay_public_key)?,
            gateway: checked_base(&config.gateway_url)?,
        })
    }

    pub(super) async fn create(
        &self,
        http: &reqwest::Client,
        order: &PayOrder,
        now_ms: i64,
    ) -> Result<PayIntent, PayError> {
        let mut content = json!({
            "out_trade_no": order.order_no,
            "total_amount": format_minor(order.amount_minor, CURRENCY),
            "subject": clean_subject(&order.subject),
            "time_expire": beijing(order.expires_at_ms)?,
        });
        match order.mode {
            PayMode::Page => {
                content["product_code"] = json!("FAST_INSTANT_TRADE_PAY");
                let mut parameters = self.parameters("alipay.trade.page.pay", Some(order), now_ms)?;
                parameters.insert("biz_content", content.to_string());
                let pay_url = self.signed_url(parameters)?;
                Ok(PayIntent { pay_url: Some(pay_url), ..PayIntent::default() })
            }
            PayMode::Qr => {
                let reply = self.ask(http, "alipay.trade.precreate", &content, Some(order), now_ms).await?;
                check_same(&reply, &order.order_no)?;
                if reply.qr_code.is_empty() {
                    return Err(PayError::Malformed("no QR code"));
                }
                Ok(PayIntent { qr_content: Some(reply.qr_code), ..PayIntent::default() })
            }
        }
    }

    pub(super) async fn query(
        &self,
        http: &reqwest::Client,
        order_no: &str,
        now_ms: i64,
    ) -> Result<PayState, PayError> {
        let content = json!({ "out_trade_no": order_no });
        let reply = match self.ask(http, "alipay.trade.query", &content, None, now_ms).await {
            // The trade comes into being when the payer opens the page or scans the code.
            Err(error) if has_code(&error, "ACQ.TRADE_NOT_EXIST") => return Ok(PayState::Pending),
            other => other?,
        };
        check_same(&reply, order_no)?;
        match reply.trade_status.as_str() {
            "WAIT_BUYER_PAY" => Ok(PayState::Pending),
            "TRADE_SUCCESS" | "TRADE_FINISHED" => Ok(PayState::Paid {
                transaction_id: reply.trade_no,
                amount_minor: parse_minor(&reply.total_amount, CURRENCY).ok_or(PayError::Malformed("total_amount"))?,
                currency: CURRENCY.to_owned(),
                paid_at_ms: from_beijing(&reply.send_pay_date).unwrap_or(now_ms),
            }),
            // One word for two ends: never paid, or paid and wholly refunded. Only the latter has a date of payment.
            "TRADE_CLOSED" if reply.send_pay_date.is_empty() => Ok(PayState::Closed),
            "TRADE_CLOSED" => Ok(PayState::Refunded),
            _ => Err(PayError::Malformed("trade_status")),
        }
    }

    pub(super) async fn refund(
        &self,
        http: &reqwest::Client,
        refund: &RefundOrder,
        now_ms: i64,
    ) -> Result<RefundState, PayError> {
        let content = json!({
            "out_trade_no": refund.order_no,
            "refund_amount": format_minor(refund.amount_minor, CURRENCY),
            "refund_reason": refund.reason.chars().take(80).collect::<String>(),
            "out_request_no": refund.refund_no,
        });
        let reply = self.ask(http, "alipay.trade.refund", &content, None, now_ms).await?;
        check_same(&reply, &refund.order_no)?;
        if reply.fund_change == "Y" {
            return Ok(RefundState { status: RefundStatus::Succeeded, refund_id: Some(refund.refund_no.clone()) });
        }
        // "N" means that this call moved nothing: either an earlier one did, or the money is still on its way.
        let content = json!({ "out_trade_no": refund.order_no, "out_request_no": refund.refund_no });
        let reply = self.ask(http, "alipay.trade.fastpay.refund.query", &content, None, now_ms).await?;
        let status = match reply.refund_status.as_str() {
            "REFUND_SUCCESS" => RefundStatus::Succeeded,
            _ => RefundStatus::Processing,
        };
        Ok(RefundState { status, refund_id: Some(refund.refund_no.clone()) })
    }

    pub(super) async fn close(&self, http: &reqwest::Client, order_no: &str, now_ms: i64) -> Result<(), PayError> {
        let content = json!({ "out_trade_no": order_no });
        match self.ask(http, "alipay.trade.close", &content, None, now_ms).await {
            // Nobody has opened it, and `time_expire` keeps it from being opened later.
            Err(error) if has_code(&error, "ACQ.TRADE_NOT_EXIST") => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// The public parameters of a request; the order's addresses only where Alipay is to use them.
    fn parameters(
        &self,
        method: &'static str,
        order: Option<&PayOrder>,
        now_ms: i64,
    ) -> Result<BTreeMap<&'static str, String>, PayError> {
        let mut parameters = BTreeMap::from([
            ("app_id", self.app_id.clone()),
            ("method", method.to_owned()),
            ("format", "JSON".to_owned()),
            ("charset", "utf-8".to_owned()),
            ("sign_type", "RSA2".to_owned()),
            ("timestamp", beijing(now_ms)?),
            ("version", "1.0".to_owned()),
        ]);
        if let Some(order) = order {
            parameters.insert("notify_url", order.notify_url.clone());
            if order.mode == PayMode::Page && !order.return_url.is_empty() {
                parameters.insert("return_url", order.return_url.clone());
            }
        }
        Ok(parameters)
    }

    /// The gateway's address with all parameters and their signature.
    fn signed_url(&self, mut parameters: BTreeMap<&'static str, String>) -> Result<String, PayError> {
        let signature = self.key.sign(sign::request_text(&parameters).as_bytes())?;
        parameters.insert("sign", signature);
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&parameters).finish();
        Ok(format!("{}?{query}", self.gateway))
    }

    /// One signed call. The business content travels in the body, everything else in the address, and the signature
    /// covers both.
    async fn ask(
        &self,
        http: &reqwest::Client,
        method: &'static str,
        content: &Value,
        order: Option<&PayOrder>,
        now_ms: i64,
    ) -> Result<Reply, PayError> {
        let content = content.to_string();
        let mut parameters = self.parameters(method, order, now_ms)?;
        parameters.insert("biz_content", content.clone());
        let signature = self.key.sign(sign::request_text(&parameters).as_bytes())?;
        parameters.remove("biz_content");
        parameters.insert("sign", signature);
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&parameters).finish();
        let request = http.post(format!("{}?{query}", self.gateway)).form(&[("biz_content", content)]);
        let answer = exchange(request).await?;
        if !answer.status.is_success() {
            return Err(PayError::refused(answer.status.as_u16(), "", "the gateway did not take the request"));
        }
        self.read_answer(method, &answer.body)
    }

    /// Verifies an answer over its own bytes and reads it.
    fn read_answer(&self, method: &str, body: &[u8]) -> Result<Reply, PayError> {
        let fields: BTreeMap<String, Box<RawValue>> =
            serde_json::from_slice(body).map_err(|_| PayError::Malformed("not JSON"))?;
        let node = fields
            .get(&format!("{}_response", method.replace('.', "_")))
            .or_else(|| fields.get("error_response"))
            .ok_or(PayError::Malformed("no response node"))?;
        let reply: Reply = serde_json::from_str(node.get()).map_err(|_| PayError::Malformed("response node"))?;
        let signature = fields.get("sign").and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        match signature {
            Some(signature) if !self.platform.verifies(node.get().as_bytes(), &signature) => Err(PayError::Forged),
            // The gateway leaves out the signature when it does not even know who asks; that can only be a refusal.
            None if reply.code == SUCCESS => Err(PayError::Forged),
            _ if reply.code == SUCCESS => Ok(reply),
            _ => {
                let (code, words) =
                    if reply.sub_code.is_empty() { (reply.code, reply.msg) } else { (reply.sub_code, reply.sub_msg) };
                Err(PayError::refused(200, &code, &words))
            }
        }
    }
}

/// The text Alipay wants for an answer to a notification.
pub(super) fn reply(ok: bool) -> NoticeReply {
    (200, "text/plain", if ok { "success" } else { "fail" })
}

/// A signed answer about another order must not pass for one about this.
fn check_same(reply: &Reply, order_no: &str) -> Result<(), PayError> {
    if reply.out_trade_no == order_no { Ok(()) } else { Err(PayError::Malformed("the answer is about another order")) }
}

fn has_code(error: &PayError, wanted: &str) -> bool {
    matches!(error, PayError::Refused { code, .. } if code == wanted)
}

/// Alipay forbids these characters in a subject, and more than 256 of them.
fn clean_subject(subject: &str) -> String {
    subject.chars().filter(|c| !matches!(c, '/' | '=' | '&') && !c.is_control()).take(128).collect()
}

/// `yyyy-MM-dd HH:mm:ss` in Beijing.
fn beijing(epoch_ms: i64) -> Result<String, PayError> {
    let time = Timestamp::from_millisecond(epoch_ms).map_err(|_| PayError::Invalid("the time is out of range"))?;
    Ok(time.to_zoned(TimeZone::fixed(offset(8))).strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// The other way; some fields carry milliseconds, too.
fn from_beijing(text: &str) -> Option<i64> {
    let time: DateTime = text.trim().parse().ok()?;
    Some(time.to_zoned(TimeZone::fixed(offset(8))).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_beijings() {
        assert_eq!(beijing(1_767_225_600_000).as_deref(), Ok("2026-01-01 08:00:00"));
        assert_eq!(from_beijing("2026-01-01 08:00:00"), Some(1_767_225_600_000));
        assert_eq!(from_beijing("2026-01-01 08:00:00.320"), Some(1_767_225_600_320));
        assert_eq!(from_beijing("yesterday"), None);
        assert!(beijing(i64::MAX).is_err());
    }
}
