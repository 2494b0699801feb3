//! Alipay's asynchronous notification: a signed form. The page the payer's browser returns to proves nothing and is
//! not read here.

use std::collections::BTreeMap;

use super::{Alipay, CURRENCY, from_beijing, sign};
use crate::payment::{Notice, NoticeError, NoticeStatus, parse_minor};

/// Alipay repeats a notification for some 25 hours. What is older is no retry of its own any more.
const MOST_AGE_MS: i64 = 48 * 3_600_000;

/// How far Alipay's clock may be ahead of ours.
const MOST_AHEAD_MS: i64 = 10 * 60_000;

impl Alipay {
    pub(in crate::payment) fn read_notification(&self, body: &[u8], now_ms: i64) -> Result<Notice, NoticeError> {
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            // Two values for one name: the one we verify might not be the one we read.
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(NoticeError::Malformed("a parameter comes twice"));
            }
        }
        let field = |name: &str| fields.get(name).map_or("", String::as_str);
        if field("sign").is_empty() || field("sign_type") != "RSA2" {
            return Err(NoticeError::Malformed("no RSA2 signature"));
        }
        if !self.platform.verifies(sign::notice_text(&fields).as_bytes(), field("sign")) {
            return Err(NoticeError::BadSignature);
        }

        if field("app_id") != self.app_id || self.seller_id.as_ref().is_some_and(|id| field("seller_id") != id) {
            return Err(NoticeError::ForeignMerchant);
        }
        let sent_ms = from_beijing(field("notify_time")).ok_or(NoticeError::Malformed("notify_time"))?;
        if now_ms.saturating_sub(sent_ms) > MOST_AGE_MS || sent_ms.saturating_sub(now_ms) > MOST_AHEAD_MS {
            return Err(NoticeError::Stale);
        }
        let trade_status = field("trade_status");
        if field("notify_type") != "trade_status_sync" || trade_status.is_empty() {
            return Err(NoticeError::Unrelated(field("notify_type").chars().take(64).collect()));
        }

        let status = match trade_status {
            "TRADE_SUCCESS" | "TRADE_FINISHED" => NoticeStatus::Paid,
            "WAIT_BUYER_PAY" => NoticeStatus::Pending,
            // Closed after payment means refunded in whole; only a paid trade has a date of payment.
            "TRADE_CLOSED" if field("gmt_payment").is_empty() => NoticeStatus::Closed,
            "TRADE_CLOSED" => NoticeStatus::Refunded,
            _ => return Err(NoticeError::Malformed("trade_status")),
        };
        if field("notify_id").is_empty() || field("out_trade_no").is_empty() {
            return Err(NoticeError::Malformed("notify_id or out_trade_no"));
        }
        Ok(Notice {
            event_id: field("notify_id").to_owned(),
            order_no: field("out_trade_no").to_owned(),
            transaction_id: fields.get("trade_no").filter(|number| !number.is_empty()).cloned(),
            amount_minor: parse_minor(field("total_amount"), CURRENCY).ok_or(NoticeError::Malformed("total_amount"))?,
            currency: CURRENCY.to_owned(),
            status,
            paid_at_ms: from_beijing(field("gmt_payment")),
            raw_kind: trade_status.to_owned(),
        })
    }
}
