//! Stripe's webhook: `Stripe-Signature` holds a time and one or more HMACs of time and body.

use reqwest::header::HeaderMap;
use ring::hmac;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::amount::own_amount;
use super::{Intent, Session, Stripe};
use crate::payment::{Notice, NoticeError, NoticeStatus};

/// How far the signed time may lie from ours.
const TOLERANCE_SECONDS: u64 = 300;

#[derive(Deserialize)]
struct Event<'a> {
    id: String,
    r#type: String,
    created: i64,
    livemode: bool,
    /// Set when the event happened on a connected account, whose payments are not ours.
    #[serde(default)]
    account: Option<String>,
    #[serde(borrow)]
    data: EventData<'a>,
}

#[derive(Deserialize)]
struct EventData<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
}

/// The charge of a refund event.
#[derive(Deserialize)]
struct RefundedCharge {
    payment_intent: Option<String>,
    amount: i64,
    currency: String,
    refunded: bool,
    #[serde(default)]
    metadata: ChargeMetadata,
}

#[derive(Default, Deserialize)]
struct ChargeMetadata {
    order_no: Option<String>,
}

impl Stripe {
    pub(in crate::payment) fn read_notification(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now_ms: i64,
    ) -> Result<Notice, NoticeError> {
        self.check_signature(headers, body, now_ms)?;
        let event: Event<'_> = serde_json::from_slice(body).map_err(|_| NoticeError::Malformed("event"))?;
        if event.livemode != self.live || event.account.is_some() {
            return Err(NoticeError::ForeignMerchant);
        }
        match event.r#type.as_str() {
            "charge.refunded" => refunded(&event),
            "checkout.session.completed"
            | "checkout.session.async_payment_succeeded"
            | "checkout.session.async_payment_failed"
            | "checkout.session.expired" => settled(&event),
            kind => Err(NoticeError::Unrelated(kind.chars().take(64).collect())),
        }
    }

    /// One matching `v1` is enough: while a secret is being rolled, Stripe signs with both.
    fn check_signature(&self, headers: &HeaderMap, body: &[u8], now_ms: i64) -> Result<(), NoticeError> {
        const MISSING: NoticeError = NoticeError::Malformed("no Stripe-Signature");
        let header = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).ok_or(MISSING)?;
        let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
        let timestamp = parts().find(|(name, _)| *name == "t").ok_or(MISSING)?.1;
        let signed_at: i64 = timestamp.parse().map_err(|_| MISSING)?;
        let mut message = format!("{timestamp}.").into_bytes();
        message.extend_from_slice(body);
        let genuine = parts()
            .filter(|(name, _)| *name == "v1")
            .filter_map(|(_, hex)| bytes_of(hex))
            .any(|signature| hmac::verify(&self.webhook_key, &message, &signature).is_ok());
        if !genuine {
            return Err(NoticeError::BadSignature);
        }
        if now_ms.div_euclid(1000).abs_diff(signed_at) > TOLERANCE_SECONDS {
            return Err(NoticeError::Stale);
        }
        Ok(())
    }
}

/// What became of a session.
fn settled(event: &Event<'_>) -> Result<Notice, NoticeError> {
    let session: Session =
        serde_json::from_str(event.data.object.get()).map_err(|_| NoticeError::Malformed("session"))?;
    // Another application on the same account sells, too.
    let order_no = session.client_reference_id.ok_or_else(|| NoticeError::Unrelated(event.r#type.clone()))?;
    let status = match (event.r#type.as_str(), session.payment_status.as_str()) {
        ("checkout.session.expired" | "checkout.session.async_payment_failed", _) => NoticeStatus::Closed,
        (_, "paid") => NoticeStatus::Paid,
        _ => NoticeStatus::Pending,
    };
    let currency = session.currency.ok_or(NoticeError::Malformed("currency"))?.to_ascii_uppercase();
    let amount = session.amount_total.ok_or(NoticeError::Malformed("amount_total"))?;
    Ok(Notice {
        event_id: event.id.clone(),
        order_no,
        transaction_id: session.payment_intent.map(|intent| match intent {
            Intent::Id(id) | Intent::Whole { id, .. } => id,
        }),
        amount_minor: own_amount(amount, &currency),
        currency,
        status,
        paid_at_ms: (status == NoticeStatus::Paid).then(|| event.created.saturating_mul(1000)),
        raw_kind: event.r#type.clone(),
    })
}

/// A charge given back, in whole or in part.
fn refunded(event: &Event<'_>) -> Result<Notice, NoticeError> {
    let charge: RefundedCharge =
        serde_json::from_str(event.data.object.get()).map_err(|_| NoticeError::Malformed("charge"))?;
    let order_no = match charge.metadata.order_no {
        Some(order_no) if charge.refunded => order_no,
        _ => return Err(NoticeError::Unrelated(event.r#type.clone())),
    };
    let currency = charge.currency.to_ascii_uppercase();
    Ok(Notice {
        event_id: event.id.clone(),
        order_no,
        transaction_id: charge.payment_intent,
        amount_minor: own_amount(charge.amount, &currency),
        currency,
        status: NoticeStatus::Refunded,
        paid_at_ms: None,
        raw_kind: event.r#type.clone(),
    })
}

/// The bytes written in hex; `None` for anything else.
fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;
    use crate::payment::{PayError, StripeConfig};

    /// `HMAC-SHA256("whsec_test_secret", "1700000000.{\"id\":\"evt_1\"}")`, computed with Python's `hmac`.
    const SIGNATURE: &str = "248a374f50f943a28b0f6ab50faf9a7e7e29b710fa26df9fb1618b9bf8ea9c9a";
    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    fn check(header: &str, body: &[u8], now_s: i64) -> Result<Result<(), NoticeError>, PayError> {
        let stripe = Stripe::new(&StripeConfig {
            secret_key: "sk_test_1".to_owned(),
            webhook_secret: "whsec_test_secret".to_owned(),
            base_url: "https://api.stripe.com".to_owned(),
        })?;
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(header) {
            headers.insert("stripe-signature", value);
        }
        Ok(stripe.check_signature(&headers, body, now_s * 1000))
    }

    #[test]
    fn one_good_signature_among_several_is_enough() -> Result<(), PayError> {
        let rolled = format!("t=1700000000,v1={},v1={SIGNATURE},v0=abc", "00".repeat(32));
        for header in [format!("t=1700000000,v1={SIGNATURE}"), rolled, format!("v1={SIGNATURE}, t=1700000000")] {
            assert_eq!(check(&header, BODY, 1_700_000_000)?, Ok(()), "{header}");
            assert_eq!(check(&header, BODY, 1_700_000_300)?, Ok(()));
            assert_eq!(check(&header, BODY, 1_700_000_301)?, Err(NoticeError::Stale));
            assert_eq!(check(&header, BODY, 1_699_999_699)?, Err(NoticeError::Stale));
            assert_eq!(check(&header, br#"{"id":"evt_2"}"#, 1_700_000_000)?, Err(NoticeError::BadSignature));
        }
        Ok(())
    }

    #[test]
    fn other_schemes_times_and_rubbish_are_refused() -> Result<(), PayError> {
        let refused = |header: &str| check(header, BODY, 1_700_000_000);
        assert_eq!(refused(&format!("t=1700000000,v0={SIGNATURE}"))?, Err(NoticeError::BadSignature));
        assert_eq!(refused(&format!("t=1700000001,v1={SIGNATURE}"))?, Err(NoticeError::BadSignature));
        assert_eq!(refused(&format!("t=1700000000,v1={SIGNATURE}0"))?, Err(NoticeError::BadSignature));
        assert_eq!(refused("t=1700000000,v1=zz")?, Err(NoticeError::BadSignature));
        assert_eq!(refused("t=1700000000")?, Err(NoticeError::BadSignature));
        for header in ["", "v1=00", "t=now,v1=00"] {
            assert!(matches!(refused(header)?, Err(NoticeError::Malformed(_))), "{header}");
        }
        Ok(())
    }
}
