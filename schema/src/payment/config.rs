//! How each provider is configured, in the form the settings keep it. Addresses default to the vendors' published ones.

use std::fmt;

use serde::Deserialize;

use super::PayError;

/// The settings of one provider.
#[derive(Clone, Deserialize)]
#[serde(tag = "provider", rename_all = "snake_case")]
pub enum ProviderConfig {
    /// Alipay OpenAPI.
    Alipay(AlipayConfig),
    /// WeChat Pay API v3.
    WechatPay(WechatPayConfig),
    /// Stripe Checkout.
    Stripe(StripeConfig),
    /// Epay.
    Epay(EpayConfig),
    /// Bank transfer.
    BankTransfer(BankTransferConfig),
}

/// Alipay's settings. Keys may be PEM or the bare base64 that Alipay's tools give out.
#[derive(Clone, Deserialize)]
pub struct AlipayConfig {
    /// The application's number (`app_id`).
    pub app_id: String,
    /// The seller's number (`2088…`); when set, notifications for any other seller are refused.
    #[serde(default)]
    pub seller_id: Option<String>,
    /// The application's private key.
    pub private_key: String,
    /// Alipay's public key (not the application's).
    pub alipay_public_key: String,
    /// The gateway's address.
    #[serde(default = "alipay_gateway")]
    pub gateway_url: String,
}

/// WeChat Pay's settings.
#[derive(Clone, Deserialize)]
pub struct WechatPayConfig {
    /// The official account's or app's number.
    pub app_id: String,
    /// The merchant's number.
    pub mch_id: String,
    /// The serial number of the merchant's API certificate.
    pub cert_serial: String,
    /// The private key of that certificate.
    pub private_key: String,
    /// The API v3 key, 32 characters.
    pub api_v3_key: String,
    /// Platform keys known beforehand; without any, the platform's certificates are fetched.
    #[serde(default)]
    pub platform_keys: Vec<PlatformKeyConfig>,
    /// The API's address.
    #[serde(default = "wechat_base")]
    pub base_url: String,
}

/// A key WeChat Pay signs with: its certificate, or its public key with the number it goes by.
#[derive(Clone, Deserialize)]
pub struct PlatformKeyConfig {
    /// `PUB_KEY_ID_…` for a public key; a certificate carries its own serial number.
    #[serde(default)]
    pub id: Option<String>,
    /// The certificate or public key.
    pub pem: String,
}

/// Stripe's settings.
#[derive(Clone, Deserialize)]
pub struct StripeConfig {
    /// The secret (or restricted) key, `sk_…` or `rk_…`.
    pub secret_key: String,
    /// The signing secret of the webhook endpoint, `whsec_…`.
    pub webhook_secret: String,
    /// The API's address.
    #[serde(default = "stripe_base")]
    pub base_url: String,
}

/// Epay's settings.
#[derive(Clone, Deserialize)]
pub struct EpayConfig {
    /// The gateway's address.
    pub address: String,
    /// The merchant's number (`pid`).
    pub merchant: String,
    /// The merchant's key.
    pub key: String,
}

/// Bank transfer's settings.
#[derive(Clone, Deserialize)]
pub struct BankTransferConfig {
    /// What the payer reads; `{order}`, `{amount}`, `{currency}` and `{subject}` are filled in.
    pub instructions: String,
}

impl fmt::Debug for ProviderConfig {
    /// The name only: everything else is secret or leads to a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alipay(_) => "Alipay(…)",
            Self::WechatPay(_) => "WechatPay(…)",
            Self::Stripe(_) => "Stripe(…)",
            Self::Epay(_) => "Epay(…)",
            Self::BankTransfer(_) => "BankTransfer(…)",
        })
    }
}

/// Alipay's published gateway.
fn alipay_gateway() -> String {
    "https://openapi.alipay.com/gateway.do".to_owned()
}

/// WeChat Pay's published address.
fn wechat_base() -> String {
    "https://api.mch.weixin.qq.com".to_owned()
}

/// Stripe's published address.
fn stripe_base() -> String {
    "https://api.stripe.com".to_owned()
}

/// An address without its trailing slash. Plain HTTP would show keys and orders to the road, so it is only for
/// this very machine.
pub(super) fn checked_base(url: &str) -> Result<String, PayError> {
    let wrong = PayError::Misconfigured("the address must be https:// (http:// only on this machine)");
    let parsed = reqwest::Url::parse(url).map_err(|_| wrong.clone())?;
    let local = matches!(parsed.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let bare = parsed.query().is_none() && parsed.fragment().is_none() && parsed.username().is_empty();
    match parsed.scheme() {
        "https" if bare => Ok(url.trim_end_matches('/').to_owned()),
        "http" if bare && local => Ok(url.trim_end_matches('/').to_owned()),
        _ => Err(wrong),
    }
}

/// A setting that must not be empty.
pub(super) fn required(value: &str, what: &'static str) -> Result<String, PayError> {
    match value.trim() {
        "" => Err(PayError::Misconfigured(what)),
        text => Ok(text.to_owned()),
    }
}
