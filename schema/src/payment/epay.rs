//! Epay (易支付): a signed page that takes the payer to Alipay, WeChat and others behind it, a signed notification,
//! and a question. Signatures are MD5 over sorted parameters and the merchant's key, because the protocol has no other.
//!
//! It knows no closing, and no refund that could be asked for twice without paying twice: both are a person's work
//! there.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::Value;

use super::config::{checked_base, required};
use super::transport::exchange;
use super::{EpayConfig, Notice, NoticeError, NoticeReply, NoticeStatus, PayError, PayIntent, PayOrder, PayState};
use super::{format_minor, parse_minor};

/// The only currency it settles in.
const CURRENCY: &str = "CNY";

/// Epay, with the key of one merchant.
pub struct Epay {
    base: String,
    merchant: String,
    key: String,
}

/// The fields we read of an answer. Numbers come as numbers or as text, by the gateway's make.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    code: Value,
    msg: Value,
    trade_no: Value,
    out_trade_no: Value,
    pid: Value,
    money: Value,
    status: Value,
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

impl Epay {
    pub(super) fn new(config: &EpayConfig) -> Result<Self, PayError> {
        let address = checked_base(&config.address)?;
        // Operators give the folder or, as other systems let them, the page in it.
        let base = address.trim_end_matches("/submit.php").to_owned();
        Ok(Self {
            base,
            merchant: required(&config.merchant, "the Epay merchant is missing")?,
            key: required(&config.key, "the Epay key is missing")?,
        })
    }

    pub(super) fn create(&self, order: &PayOrder) -> Result<PayIntent, PayError> {
        let mut fields = BTreeMap::from([
            ("pid", self.merchant.clone()),
            ("out_trade_no", order.order_no.clone()),
            ("notify_url", order.notify_url.clone()),
            ("return_url", order.return_url.clone()),
            ("name", order.subject.chars().filter(|c| !c.is_control()).take(100).collect()),
            ("money", format_minor(order.amount_minor, CURRENCY)),
            ("device", "pc".to_owned()),
        ]);
        if let Some(channel) = &order.channel {
            fields.insert("type", channel.clone());
        }
        let sign = self.sign(&fields);
        fields.insert("sign", sign);
        fields.insert("sign_type", "MD5".to_owned());
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
        Ok(PayIntent { pay_url: Some(format!("{}/submit.php?{query}", self.base)), ..PayIntent::default() })
    }

    pub(super) async fn query(
        &self,
        http: &reqwest::Client,
        order_no: &str,
        now_ms: i64,
    ) -> Result<PayState, PayError> {
        // The published question carries the key in its address; no text of ours ever repeats an address.
        let asked = [("act", "order"), ("pid", &self.merchant), ("key", &self.key), ("out_trade_no", order_no)];
        let answer = exchange(http.get(format!("{}/api.php", self.base)).query(&asked)).await?;
        if !answer.status.is_success() {
            return Err(PayError::refused(answer.status.as_u16(), "", "the gateway did not take the request"));
        }
        let said: Answer = serde_json::from_slice(&answer.body).map_err(|_| PayError::Malformed("not JSON"))?;
        if text(&said.code) != "1" {
            // It knows an order only once the payer has opened the page, and has no code of its own for that.
            return if text(&said.trade_no).is_empty() && text(&said.code) == "-1" {
                Ok(PayState::Pending)
            } else {
                Err(PayError::refused(200, &text(&said.code), &text(&said.msg)))
            };
        }
        if text(&said.out_trade_no) != order_no || text(&said.pid) != self.merchant {
            return Err(PayError::Malformed("the answer is about another order"));
        }
        match text(&said.status).as_str() {
            "0" => Ok(PayState::Pending),
            "1" => Ok(PayState::Paid {
                transaction_id: text(&said.trade_no),
                amount_minor: parse_minor(&text(&said.money), CURRENCY).ok_or(PayError::Malformed("money"))?,
                currency: CURRENCY.to_owned(),
                // Its times have no zone.
                paid_at_ms: now_ms,
            }),
            "2" => Ok(PayState::Refunded),
            _ => Err(PayError::Malformed("status")),
        }
    }

    /// Reads a notification: the query of a GET, or the form of a POST.
    pub(super) fn read_notification(&self, body: &[u8]) -> Result<Notice, NoticeError> {
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(NoticeError::Malformed("a parameter comes twice"));
            }
        }
        let field = |name: &str| fields.get(name).map_or("", String::as_str);
        if field("sign").is_empty() || field("sign_type") != "MD5" {
            return Err(NoticeError::Malformed("no MD5 signature"));
        }
        let signed = fields.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let (ours, theirs) = (self.sign(&signed), field("sign").to_ascii_lowercase());
        if !same(ours.as_bytes(), theirs.as_bytes()) {
            return Err(NoticeError::BadSignature);
        }
        if field("pid") != self.merchant {
            return Err(NoticeError::ForeignMerchant);
        }
        let status = field("trade_status");
        if status.is_empty() || field("out_trade_no").is_empty() {
            return Err(NoticeError::Malformed("no order"));
        }
        Ok(Notice {
            event_id: format!("{}:{status}", field("trade_no")),
            order_no: field("out_trade_no").to_owned(),
            transaction_id: Some(field("trade_no").to_owned()).filter(|n| !n.is_empty()),
            amount_minor: parse_minor(field("money"), CURRENCY).ok_or(NoticeError::Malformed("money"))?,
            currency: CURRENCY.to_owned(),
            status: if status == "TRADE_SUCCESS" { NoticeStatus::Paid } else { NoticeStatus::Pending },
            paid_at_ms: None,
            raw_kind: status.chars().take(64).collect(),
        })
    }

    /// The published signature: parameters in order of their names, without the empty ones and those of the
    /// signature itself, then the key.
    fn sign(&self, fields: &BTreeMap<&str, String>) -> String {
        let signed = fields.iter().filter(|(name, value)| !matches!(**name, "sign" | "sign_type") && !value.is_empty());
        let text = signed.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        crate::id::hex(Md5::digest(format!("{text}{}", self.key)).as_slice())
    }
}

/// Compares in a time that tells nothing of where two texts differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (x, y)| differs | (x ^ y)) == 0
}

/// The text it wants for an answer to a notification.
pub(super) fn reply(ok: bool) -> NoticeReply {
    (200, "text/plain", if ok { "success" } else { "fail" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_published_rule() {
        let config =
            EpayConfig { address: "https://pay.example/submit.php".into(), merchant: "1001".into(), key: "k".into() };
        let epay = Epay::new(&config).expect("settings that work");
        assert_eq!(epay.base, "https://pay.example");
        let fields = BTreeMap::from([
            ("pid", "1001".to_owned()),
            ("money", "1.00".to_owned()),
            ("empty", String::new()),
            ("sign", "x".to_owned()),
            ("sign_type", "MD5".to_owned()),
        ]);
        // printf 'money=1.00&pid=1001k' | md5sum
        assert_eq!(epay.sign(&fields), "2cf28ebe893ede19df39496a2f74d449");
    }
}
