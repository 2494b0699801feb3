//! Stripe Checkout: a hosted page per order, its expiry, refunds by payment intent, and the signed webhook.
//!
//! Stripe knows an order by the session's number, so questions need [`PayIntent::provider_ref`]. A session lives at
//! least thirty minutes there; our orders live shorter, so whoever lets an order expire also closes it.

mod amount;
mod webhook;

use reqwest::Method;
use ring::hmac;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::config::{checked_base, required};
use super::transport::exchange;
use super::{
    NoticeReply, PayError, PayIntent, PayMode, PayOrder, PayState, RefundOrder, RefundState, RefundStatus, StripeConfig,
};

use amount::{own_amount, wire_amount};

/// The release whose shapes are read here; without it an account's own default would decide.
const API_VERSION: &str = "2024-06-20";

/// Stripe wants a session to live for 30 minutes to a day. Counted from the order's own end, this holds at any
/// moment before it, and repeating the request sends the very same text: idempotency asks for that.
const SESSION_GRACE_SECONDS: i64 = 31 * 60;

/// Stripe, with the keys of one account.
pub struct Stripe {
    secret_key: String,
    webhook_key: hmac::Key,
    live: bool,
    base: String,
}

/// A Checkout Session: answer to creation and query, and the object of its events.
#[derive(Deserialize)]
struct Session {
    id: String,
    url: Option<String>,
    #[serde(default)]
    status: Option<String>,
    payment_status: String,
    client_reference_id: Option<String>,
    payment_intent: Option<Intent>,
    amount_total: Option<i64>,
    currency: Option<String>,
}

/// A payment intent: its number, or the whole when it was asked for.
#[derive(Deserialize)]
#[serde(untagged)]
enum Intent {
    Id(String),
    Whole { id: String, status: String, latest_charge: Option<Charge> },
}

impl Intent {
    fn has_failed(&self) -> bool {
        matches!(self, Self::Whole { status, .. } if status == "requires_payment_method" || status == "canceled")
    }
}

/// A charge: its number, or the whole.
#[derive(Deserialize)]
#[serde(untagged)]
enum Charge {
    Whole { created: i64, refunded: bool },
    Id(IgnoredAny),
}

#[derive(Deserialize)]
struct Refund {
    id: String,
    status: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Failure {
    error: FailureDetail,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FailureDetail {
    r#type: String,
    code: Option<String>,
    message: Option<String>,
}

impl Stripe {
    pub(super) fn new(config: &StripeConfig) -> Result<Self, PayError> {
        let secret_key = required(&config.secret_key, "the Stripe secret key is missing")?;
        if !secret_key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(PayError::Misconfigured("the Stripe secret key holds characters that no key has"));
        }
        let webhook_secret = required(&config.webhook_secret, "the Stripe webhook secret is missing")?;
        Ok(Self {
            live: !secret_key.starts_with("sk_test_") && !secret_key.starts_with("rk_test_"),
            webhook_key: hmac::Key::new(hmac::HMAC_SHA256, webhook_secret.as_bytes()),
            secret_key,
            base: checked_base(&config.base_url)?,
        })
    }

    pub(super) async fn create(&self, http: &reqwest::Client, order: &PayOrder) -> Result<PayIntent, PayError> {
        if order.return_url.is_empty() {
            return Err(PayError::Invalid("Stripe needs an address to come back to"));
        }
        let amount = wire_amount(order.amount_minor, &order.currency)?.to_string();
        let expires_at = (order.expires_at_ms.div_euclid(1000) + SESSION_GRACE_SECONDS).to_string();
        let currency = order.currency.to_ascii_lowercase();
        let form = [
            ("mode", "payment"),
            ("client_reference_id", &order.order_no),
            ("success_url", &order.return_url),
            ("cancel_url", &order.return_url),
            ("expires_at", &expires_at),
            ("line_items[0][quantity]", "1"),
            ("line_items[0][price_data][currency]", &currency),
            ("line_items[0][price_data][unit_amount]", &amount),
            ("line_items[0][price_data][product_data][name]", &order.subject),
            ("metadata[order_no]", &order.order_no),
            ("payment_intent_data[metadata][order_no]", &order.order_no),
        ];
        let key = format!("tollgate-order-{}", order.order_no);
        let session: Session = self.ask(http, Method::POST, "/v1/checkout/sessions", &form, Some(&key)).await?;
        if session.client_reference_id.as_deref() != Some(order.order_no.as_str()) {
            return Err(PayError::Malformed("the session is for another order"));
        }
        let url = session.url.ok_or(PayError::Malformed("the session has no page"))?;
        Ok(PayIntent {
            qr_content: (order.mode == PayMode::Qr).then(|| url.clone()),
            pay_url: Some(url),
            provider_ref: Some(session.id),
            instructions: None,
        })
    }

    pub(super) async fn query(
        &self,
        http: &reqwest::Client,
        order_no: &str,
        provider_ref: Option<&str>,
        now_ms: i64,
    ) -> Result<PayState, PayError> {
        let session = self.session(http, provider_ref).await?;
        if session.client_reference_id.as_deref() != Some(order_no) {
            return Err(PayError::Malformed("the session is for another order"));
        }
        match (session.payment_status.as_str(), session.status.as_deref()) {
            ("paid", _) => {
                let (transaction_id, charge) = match session.payment_intent {
                    Some(Intent::Whole { id, latest_charge, .. }) => (id, latest_charge),
                    Some(Intent::Id(id)) => (id, None),
                    None => return Err(PayError::Malformed("paid without a payment")),
                };
                let paid_at_ms = match charge {
                    Some(Charge::Whole { refunded: true, .. }) => return Ok(PayState::Refunded),
                    Some(Charge::Whole { created, .. }) => created.saturating_mul(1000),
                    _ => now_ms,
                };
                let currency = session.currency.ok_or(PayError::Malformed("currency"))?.to_ascii_uppercase();
                let amount = session.amount_total.ok_or(PayError::Malformed("amount_total"))?;
                let amount_minor = own_amount(amount, &currency);
                Ok(PayState::Paid { transaction_id, amount_minor, currency, paid_at_ms })
            }
            (_, Some("expired")) => Ok(PayState::Closed),
            // The payer finished, and then the bank said no: this session cannot be paid again.
            (_, Some("complete")) if session.payment_intent.as_ref().is_some_and(Intent::has_failed) => {
                Ok(PayState::Closed)
            }
            _ => Ok(PayState::Pending),
        }
    }

    pub(super) async fn refund(&self, http: &reqwest::Client, refund: &RefundOrder) -> Result<RefundState, PayError> {
        let intent = match refund.provider_ref.as_deref() {
            Some(id) if id.starts_with("pi_") => id.to_owned(),
            session => match self.session(http, session).await?.payment_intent {
                Some(Intent::Whole { id, .. } | Intent::Id(id)) => id,
                None => return Err(PayError::Invalid("the order has no payment to refund")),
            },
        };
        let amount = wire_amount(refund.amount_minor, &refund.currency)?.to_string();
        let form = [
            ("payment_intent", intent.as_str()),
            ("amount", &amount),
            ("reason", "requested_by_customer"),
            ("metadata[order_no]", &refund.order_no),
            ("metadata[refund_no]", &refund.refund_no),
            ("metadata[note]", &refund.reason),
        ];
        let key = format!("tollgate-refund-{}", refund.refund_no);
        let mut made: Refund = self.ask(http, Method::POST, "/v1/refunds", &form, Some(&key)).await?;
        if made.status.as_deref() != Some("succeeded") {
            // A repeated request is answered with the first answer; how it stands now is another question.
            let path = format!("/v1/refunds/{}", checked_id(&made.id)?);
            made = self.ask(http, Method::GET, &path, &[], None).await?;
        }
        let status = match made.status.as_deref() {
            Some("succeeded") => RefundStatus::Succeeded,
            Some("failed" | "canceled") => RefundStatus::Failed,
            _ => RefundStatus::Processing,
        };
        Ok(RefundState { status, refund_id: Some(made.id) })
    }

    pub(super) async fn close(&self, http: &reqwest::Client, provider_ref: Option<&str>) -> Result<(), PayError> {
        let id = session_id(provider_ref)?;
        let path = format!("/v1/checkout/sessions/{id}/expire");
        match self.ask::<Session>(http, Method::POST, &path, &[], None).await {
            // Only open sessions can be expired. An expired one is what we wanted; a complete one is not.
            Err(refusal @ PayError::Refused { status: 400, .. }) => {
                let session = self.session(http, provider_ref).await?;
                if session.status.as_deref() == Some("expired") { Ok(()) } else { Err(refusal) }
            }
            other => other.map(|_| ()),
        }
    }

    /// The session, with its payment and charge written out.
    async fn session(&self, http: &reqwest::Client, provider_ref: Option<&str>) -> Result<Session, PayError> {
        let id = session_id(provider_ref)?;
        let path = format!("/v1/checkout/sessions/{id}?expand%5B%5D=payment_intent.latest_charge");
        let session: Session = self.ask(http, Method::GET, &path, &[], None).await?;
        if session.id == id { Ok(session) } else { Err(PayError::Malformed("another session")) }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        http: &reqwest::Client,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
        idempotency_key: Option<&str>,
    ) -> Result<T, PayError> {
        let mut request = http
            .request(method.clone(), format!("{}{path}", self.base))
            .bearer_auth(&self.secret_key)
            .header("Stripe-Version", API_VERSION);
        if method == Method::POST {
            request = request.form(form);
        }
        if let Some(key) = idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = exchange(request).await?;
        match answer.status.as_u16() {
            200..=299 => serde_json::from_slice(&answer.body).map_err(|_| PayError::Malformed("unexpected JSON")),
            // Its words repeat parts of the key.
            401 => Err(PayError::refused(401, "unauthorized", "the secret key is not accepted")),
            status => {
                let FailureDetail { r#type, code, message } =
                    serde_json::from_slice::<Failure>(&answer.body).unwrap_or_default().error;
                Err(PayError::refused(status, &code.unwrap_or(r#type), &message.unwrap_or_default()))
            }
        }
    }
}

/// What Stripe wants for an answer to an event.
pub(super) fn reply(ok: bool) -> NoticeReply {
    if ok {
        (200, "application/json", r#"{"received":true}"#)
    } else {
        (400, "application/json", r#"{"received":false}"#)
    }
}

fn session_id(provider_ref: Option<&str>) -> Result<&str, PayError> {
    checked_id(provider_ref.ok_or(PayError::Invalid("the session's number is not known"))?)
}

/// Numbers of Stripe's go into paths.
fn checked_id(id: &str) -> Result<&str, PayError> {
    let legal = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if legal { Ok(id) } else { Err(PayError::Invalid("this is no number of Stripe's")) }
}
