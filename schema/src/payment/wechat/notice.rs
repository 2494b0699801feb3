//! WeChat Pay's notification: headers sign the body, and the body holds the payment sealed under the API v3 key.

use reqwest::header::HeaderMap;
use serde::Deserialize;

use super::{Amount, Sealed, SignedBy, Transaction, WechatPay, platform};
use crate::payment::{Notice, NoticeError, NoticeStatus};

#[derive(Deserialize)]
struct Envelope {
    id: String,
    event_type: String,
    resource: Sealed,
}

/// What a refund notification seals.
#[derive(Deserialize)]
struct RefundNotice {
    mchid: String,
    out_trade_no: String,
    #[serde(default)]
    transaction_id: String,
    amount: RefundAmount,
}

#[derive(Deserialize)]
struct RefundAmount {
    total: i64,
    refund: i64,
}

impl WechatPay {
    pub(in crate::payment) async fn read_notification(
        &self,
        http: &reqwest::Client,
        headers: &HeaderMap,
        body: &[u8],
        now_ms: i64,
    ) -> Result<Notice, NoticeError> {
        let signed = SignedBy::read(headers).ok_or(NoticeError::Malformed("no signature headers"))?;
        // First, because it costs nothing: replays must not make us fetch certificates.
        if !signed.is_fresh(now_ms) {
            return Err(NoticeError::Stale);
        }
        let key = match self.platform_key(http, &signed.serial, now_ms).await {
            Ok(Some(key)) => key,
            Ok(None) => return Err(NoticeError::UnknownKey),
            Err(error) => {
                tracing::warn!(%error, "the WeChat Pay platform certificates could not be fetched");
                return Err(NoticeError::UnknownKey);
            }
        };
        if !signed.covers(body, &key) {
            return Err(NoticeError::BadSignature);
        }
        let envelope: Envelope = serde_json::from_slice(body).map_err(|_| NoticeError::Malformed("envelope"))?;
        // Signed by the platform, but sealed under a key that is not ours: another merchant's.
        let content = self.open(&envelope.resource).ok_or(NoticeError::ForeignMerchant)?;
        match envelope.event_type.as_str() {
            kind if kind.starts_with("TRANSACTION.") => self.payment(envelope.id, kind, &content),
            "REFUND.SUCCESS" => self.refunded(envelope.id, &content),
            kind => Err(NoticeError::Unrelated(kind.chars().take(64).collect())),
        }
    }

    fn payment(&self, event_id: String, kind: &str, content: &[u8]) -> Result<Notice, NoticeError> {
        let paid: Transaction = serde_json::from_slice(content).map_err(|_| NoticeError::Malformed("transaction"))?;
        if paid.mchid != self.mch_id || paid.appid != self.app_id {
            return Err(NoticeError::ForeignMerchant);
        }
        let status = match paid.trade_state.as_str() {
            "SUCCESS" => NoticeStatus::Paid,
            "NOTPAY" | "USERPAYING" | "ACCEPT" | "PAYERROR" => NoticeStatus::Pending,
            "CLOSED" | "REVOKED" => NoticeStatus::Closed,
            // A partial refund says so, too; the refund's own notification tells how much.
            "REFUND" => return Err(NoticeError::Unrelated(kind.to_owned())),
            _ => return Err(NoticeError::Malformed("trade_state")),
        };
        let Amount { total, currency } = paid.amount.ok_or(NoticeError::Malformed("amount"))?;
        Ok(Notice {
            event_id,
            order_no: paid.out_trade_no,
            transaction_id: Some(paid.transaction_id).filter(|number| !number.is_empty()),
            amount_minor: total,
            currency,
            status,
            paid_at_ms: platform::time_of(&paid.success_time),
            raw_kind: kind.to_owned(),
        })
    }

    fn refunded(&self, event_id: String, content: &[u8]) -> Result<Notice, NoticeError> {
        const KIND: &str = "REFUND.SUCCESS";
        let refund: RefundNotice = serde_json::from_slice(content).map_err(|_| NoticeError::Malformed("refund"))?;
        if refund.mchid != self.mch_id {
            return Err(NoticeError::ForeignMerchant);
        }
        if refund.amount.refund < refund.amount.total {
            return Err(NoticeError::Unrelated(format!("{KIND}, in part")));
        }
        Ok(Notice {
            event_id,
            order_no: refund.out_trade_no,
            transaction_id: Some(refund.transaction_id).filter(|number| !number.is_empty()),
            amount_minor: refund.amount.total,
            currency: super::fen(),
            status: NoticeStatus::Refunded,
            paid_at_ms: None,
            raw_kind: KIND.to_owned(),
        })
    }
}
