//! The payment providers, each behind its own published protocol and all behind one [`Provider`].
//!
//! Everything here is pure of the database: a provider is asked, answers, and its notifications are read and verified.
//! What an answer does to an order (paid, late, refunded) is decided by whoever keeps the orders. Time and the HTTP
//! client are handed in, so that callers own the clock and the network.

mod alipay;
mod bank;
mod config;
mod currency;
mod epay;
mod error;
mod keys;
mod stripe;
mod transport;
mod wechat;

use reqwest::header::HeaderMap;

pub use config::{
    AlipayConfig, BankTransferConfig, EpayConfig, PlatformKeyConfig, ProviderConfig, StripeConfig, WechatPayConfig,
};
pub use currency::{format_minor, minor_digits, parse_minor};
pub use error::{NoticeError, PayError};

use alipay::Alipay;
use bank::BankTransfer;
use epay::Epay;
use stripe::Stripe;
use wechat::WechatPay;

/// How the payer is sent to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayMode {
    /// The payer's browser goes to a page of the provider.
    Page,
    /// The payer scans a code with the provider's app.
    Qr,
}

/// An order as the provider has to know it.
#[derive(Clone, Debug)]
pub struct PayOrder {
    /// Our number of the order, unique for ever: the provider's idempotency hangs on it.
    pub order_no: String,
    /// What the payer reads.
    pub subject: String,
    /// The price in the currency's smallest unit.
    pub amount_minor: i64,
    /// ISO 4217 code, upper case.
    pub currency: String,
    /// Where the provider reports the payment (Stripe reports to the address set in its dashboard instead).
    pub notify_url: String,
    /// Where the payer's browser comes back to; an empty text means nowhere.
    pub return_url: String,
    /// When the order stops being payable.
    pub expires_at_ms: i64,
    /// The payer's address, for the provider's risk control.
    pub client_ip: Option<String>,
    /// Page or code.
    pub mode: PayMode,
    /// What the payer chose among the ways behind the provider (Epay's `type`).
    pub channel: Option<String>,
}

/// What the payer needs to pay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayIntent {
    /// The page to send the payer's browser to.
    pub pay_url: Option<String>,
    /// The text to draw as a QR code.
    pub qr_content: Option<String>,
    /// The provider's own name of the order, to be stored beside it and handed back in later questions.
    pub provider_ref: Option<String>,
    /// What to show to a payer who pays by hand (bank transfer).
    pub instructions: Option<String>,
}

/// Where a payment stands at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayState {
    /// Not paid, or not even known there (Alipay knows an order only once the payer has opened it).
    Pending,
    /// The money is there.
    Paid {
        /// The provider's number of the payment.
        transaction_id: String,
        /// What was charged, in the currency's smallest unit.
        amount_minor: i64,
        /// ISO 4217 code, upper case.
        currency: String,
        /// When it was paid, or when we asked if the provider does not say.
        paid_at_ms: i64,
    },
    /// Closed or expired without payment: nothing can arrive any more.
    Closed,
    /// Paid, and given back in whole (WeChat Pay says the same of a part).
    Refunded,
}

/// A refund to be made. Asking again with the same `refund_no` never pays twice and tells how the refund stands.
#[derive(Clone, Debug)]
pub struct RefundOrder {
    /// The order that was paid.
    pub order_no: String,
    /// What [`PayIntent::provider_ref`] said.
    pub provider_ref: Option<String>,
    /// Our number of the refund.
    pub refund_no: String,
    /// How much goes back.
    pub amount_minor: i64,
    /// How much was paid in all.
    pub total_minor: i64,
    /// ISO 4217 code, upper case.
    pub currency: String,
    /// What the payer reads.
    pub reason: String,
}

/// How far a refund has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundStatus {
    /// The money went back.
    Succeeded,
    /// Accepted; ask again later.
    Processing,
    /// It will not happen by itself: a person must look at the provider's console.
    Failed,
    /// The provider cannot do it: a person sends the money back by hand.
    Manual,
}

/// A refund as the provider sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundState {
    /// How far it has come.
    pub status: RefundStatus,
    /// The provider's number of the refund.
    pub refund_id: Option<String>,
}

/// What a notification says has become of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeStatus {
    /// The money is there.
    Paid,
    /// Not yet: the payer has finished, the bank has not.
    Pending,
    /// Closed, expired or failed without payment.
    Closed,
    /// Given back in whole.
    Refunded,
}

/// A notification whose signature, age and addressee were verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The provider's number of the notification: the same again is a replay or a retry.
    pub event_id: String,
    /// Our number of the order.
    pub order_no: String,
    /// The provider's number of the payment.
    pub transaction_id: Option<String>,
    /// What the order was charged, in the currency's smallest unit. To be compared with the order before it is believed.
    pub amount_minor: i64,
    /// ISO 4217 code, upper case. To be compared with the order, too.
    pub currency: String,
    /// What has become of the payment.
    pub status: NoticeStatus,
    /// When it was paid, if the provider says so.
    pub paid_at_ms: Option<i64>,
    /// The provider's word for the event, for the log.
    pub raw_kind: String,
}

/// What to answer to a notification: status, content type, body.
pub type NoticeReply = (u16, &'static str, &'static str);

/// A payment provider, ready to be asked. Build it once per settings and keep it: WeChat Pay's caches its certificates.
pub enum Provider {
    /// Alipay OpenAPI, RSA2.
    Alipay(Alipay),
    /// WeChat Pay API v3, native payment.
    WechatPay(Box<WechatPay>),
    /// Stripe Checkout.
    Stripe(Stripe),
    /// Epay, MD5.
    Epay(Epay),
    /// Money sent by hand, confirmed by an administrator.
    BankTransfer(BankTransfer),
}

impl Provider {
    /// Reads the keys and addresses of `config`; refuses what could not work.
    pub fn new(config: &ProviderConfig) -> Result<Self, PayError> {
        Ok(match config {
            ProviderConfig::Alipay(c) => Self::Alipay(Alipay::new(c)?),
            ProviderConfig::WechatPay(c) => Self::WechatPay(Box::new(WechatPay::new(c)?)),
            ProviderConfig::Stripe(c) => Self::Stripe(Stripe::new(c)?),
            ProviderConfig::Epay(c) => Self::Epay(Epay::new(c)?),
            ProviderConfig::BankTransfer(c) => Self::BankTransfer(BankTransfer::new(c)),
        })
    }

    /// The provider's name on the wire and in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Alipay(_) => "alipay",
            Self::WechatPay(_) => "wechat_pay",
            Self::Stripe(_) => "stripe",
            Self::Epay(_) => "epay",
            Self::BankTransfer(_) => "bank_transfer",
        }
    }

    /// Whether orders in `currency` can be paid here.
    pub fn accepts(&self, currency: &str) -> bool {
        match self {
            Self::Alipay(_) | Self::WechatPay(_) | Self::Epay(_) => currency == "CNY",
            Self::Stripe(_) | Self::BankTransfer(_) => currency::is_code(currency),
        }
    }

    /// Opens the payment of an order. Repeating it for the same order opens no second payment.
    pub async fn create(&self, http: &reqwest::Client, order: &PayOrder, now_ms: i64) -> Result<PayIntent, PayError> {
        check_number(&order.order_no)?;
        if order.amount_minor <= 0 {
            return Err(PayError::Invalid("the amount must be positive"));
        }
        if !self.accepts(&order.currency) {
            return Err(PayError::Invalid("the provider does not take this currency"));
        }
        if order.expires_at_ms <= now_ms {
            return Err(PayError::Invalid("the order has expired"));
        }
        match self {
            Self::Alipay(p) => p.create(http, order, now_ms).await,
            Self::WechatPay(p) => p.create(http, order, now_ms).await,
            Self::Stripe(p) => p.create(http, order).await,
            Self::Epay(p) => p.create(order),
            Self::BankTransfer(p) => Ok(p.create(order)),
        }
    }

    /// Asks how the payment of an order stands.
    pub async fn query(
        &self,
        http: &reqwest::Client,
        order_no: &str,
        provider_ref: Option<&str>,
        now_ms: i64,
    ) -> Result<PayState, PayError> {
        check_number(order_no)?;
        match self {
            Self::Alipay(p) => p.query(http, order_no, now_ms).await,
            Self::WechatPay(p) => p.query(http, order_no, now_ms).await,
            Self::Stripe(p) => p.query(http, order_no, provider_ref, now_ms).await,
            Self::Epay(p) => p.query(http, order_no, now_ms).await,
            Self::BankTransfer(_) => Ok(PayState::Pending),
        }
    }

    /// Gives money back.
    pub async fn refund(
        &self,
        http: &reqwest::Client,
        refund: &RefundOrder,
        now_ms: i64,
    ) -> Result<RefundState, PayError> {
        check_number(&refund.order_no)?;
        check_number(&refund.refund_no)?;
        if refund.amount_minor <= 0 || refund.amount_minor > refund.total_minor {
            return Err(PayError::Invalid("a refund lies between nothing and what was paid"));
        }
        if !self.accepts(&refund.currency) {
            return Err(PayError::Invalid("the provider does not take this currency"));
        }
        match self {
            Self::Alipay(p) => p.refund(http, refund, now_ms).await,
            Self::WechatPay(p) => p.refund(http, refund, now_ms).await,
            Self::Stripe(p) => p.refund(http, refund).await,
            Self::Epay(_) | Self::BankTransfer(_) => Ok(RefundState { status: RefundStatus::Manual, refund_id: None }),
        }
    }

    /// Makes an unpaid order unpayable. `Refused` when it has been paid meanwhile: ask [`Provider::query`] then.
    pub async fn close(
        &self,
        http: &reqwest::Client,
        order_no: &str,
        provider_ref: Option<&str>,
        now_ms: i64,
    ) -> Result<(), PayError> {
        check_number(order_no)?;
        match self {
            Self::Alipay(p) => p.close(http, order_no, now_ms).await,
            Self::WechatPay(p) => p.close(http, order_no, now_ms).await,
            Self::Stripe(p) => p.close(http, provider_ref).await,
            Self::Epay(_) | Self::BankTransfer(_) => Ok(()),
        }
    }

    /// Verifies a notification and says what it means. `body` must be the bytes as they came (of Epay's GET, its
    /// query). The client is needed
    /// because WeChat Pay may have signed with a certificate that has to be fetched first.
    pub async fn read_notification(
        &self,
        http: &reqwest::Client,
        headers: &HeaderMap,
        body: &[u8],
        now_ms: i64,
    ) -> Result<Notice, NoticeError> {
        match self {
            Self::Alipay(p) => p.read_notification(body, now_ms),
            Self::WechatPay(p) => p.read_notification(http, headers, body, now_ms).await,
            Self::Stripe(p) => p.read_notification(headers, body, now_ms),
            Self::Epay(p) => p.read_notification(body),
            Self::BankTransfer(_) => Err(NoticeError::NotOffered),
        }
    }

    /// What this provider wants to hear: `ok` ends its retries, otherwise it comes again.
    pub fn notification_reply(&self, ok: bool) -> NoticeReply {
        match self {
            Self::Alipay(_) => alipay::reply(ok),
            Self::WechatPay(_) => wechat::reply(ok),
            Self::Stripe(_) => stripe::reply(ok),
            Self::Epay(_) => epay::reply(ok),
            Self::BankTransfer(_) => (404, "text/plain", ""),
        }
    }
}

/// Numbers go into paths and signed texts: letters, digits, `-` and `_`, and no longer than WeChat Pay's 32.
fn check_number(number: &str) -> Result<(), PayError> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if (6..=32).contains(&number.len()) && number.bytes().all(legal) {
        Ok(())
    } else {
        Err(PayError::Invalid("order numbers are 6 to 32 letters, digits, '-' or '_'"))
    }
}
