//! The providers of the settings, built once and kept until a setting changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use crate::App;
use crate::error::{Error, Result};
use crate::model::order::Method;
use crate::payment::{PayError, PayMode, Provider, ProviderConfig};
use crate::service::setting::{self, Settings, names};

/// The providers in use; each keeps what it has learnt (WeChat Pay's certificates).
#[derive(Default)]
pub struct Providers(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// The settings they were built from; others are built when these are no longer the current ones.
    settings: Option<Arc<Settings>>,
    built: HashMap<Method, Arc<Provider>>,
}

/// The methods that are offered now.
pub fn methods(app: &App) -> Vec<Method> {
    let settings = setting::current(app);
    Method::ALL.iter().copied().filter(|m| is_offered(&settings, *m)).collect()
}

/// True for a method people may choose.
pub(super) fn is_offered(settings: &Settings, method: Method) -> bool {
    match method {
        Method::Alipay => settings.bool(names::ALIPAY_ENABLED),
        Method::WechatPay => settings.bool(names::WECHAT_PAY_ENABLED),
        Method::Stripe => settings.bool(names::STRIPE_ENABLED),
        // No switch: it is offered once everything it needs is there.
        Method::Epay => {
            [names::EPAY_ADDRESS, names::EPAY_MERCHANT, names::EPAY_KEY].iter().all(|n| !settings.text(n).is_empty())
        }
        Method::BankTransfer => settings.bool(names::BANK_TRANSFER_ENABLED),
        Method::Wallet => true,
        Method::Free => false,
    }
}

/// Whether the payer scans a code or goes to a page.
pub(super) fn mode(settings: &Settings, method: Method) -> PayMode {
    match method {
        Method::WechatPay => PayMode::Qr,
        Method::Alipay if settings.text(names::ALIPAY_MODE) == "qr" => PayMode::Qr,
        _ => PayMode::Page,
    }
}

/// The provider of a method, whether or not it is offered to new orders.
pub(super) fn provider(app: &App, method: Method) -> Result<Arc<Provider>> {
    let settings = setting::current(app);
    // A panic while holding the lock leaves providers that are still providers.
    let mut kept = app.providers.0.lock().unwrap_or_else(PoisonError::into_inner);
    if !kept.settings.as_ref().is_some_and(|s| Arc::ptr_eq(s, &settings)) {
        *kept = Kept { settings: Some(settings.clone()), built: HashMap::new() };
    }
    if let Some(provider) = kept.built.get(&method) {
        return Ok(provider.clone());
    }
    let provider = Arc::new(Provider::new(&config(&settings, method)?).map_err(|e| failed(method, &e))?);
    kept.built.insert(method, provider.clone());
    Ok(provider)
}

/// The settings of one provider in the provider's own terms. What is empty takes the provider's default.
fn config(settings: &Settings, method: Method) -> Result<ProviderConfig> {
    let fields: &[(&str, &str)] = match method {
        Method::Alipay => &[
            ("app_id", names::ALIPAY_APP_ID),
            ("seller_id", names::ALIPAY_SELLER_ID),
            ("private_key", names::ALIPAY_PRIVATE_KEY),
            ("alipay_public_key", names::ALIPAY_PUBLIC_KEY),
            ("gateway_url", names::ALIPAY_GATEWAY_URL),
        ],
        Method::WechatPay => &[
            ("app_id", names::WECHAT_PAY_APP_ID),
            ("mch_id", names::WECHAT_PAY_MCH_ID),
            ("cert_serial", names::WECHAT_PAY_CERT_SERIAL),
            ("private_key", names::WECHAT_PAY_PRIVATE_KEY),
            ("api_v3_key", names::WECHAT_PAY_API_V3_KEY),
            ("base_url", names::WECHAT_PAY_BASE_URL),
        ],
        Method::Stripe => &[
            ("secret_key", names::STRIPE_SECRET_KEY),
            ("webhook_secret", names::STRIPE_WEBHOOK_SECRET),
            ("base_url", names::STRIPE_BASE_URL),
        ],
        Method::Epay => {
            &[("address", names::EPAY_ADDRESS), ("merchant", names::EPAY_MERCHANT), ("key", names::EPAY_KEY)]
        }
        Method::BankTransfer => &[("instructions", names::BANK_TRANSFER_INSTRUCTIONS)],
        Method::Wallet | Method::Free => return Err(Error::internal("this method has no provider")),
    };
    let mut document = Map::from_iter([("provider".to_owned(), Value::from(method.as_str()))]);
    for (field, name) in fields {
        let text = settings.text(name);
        let optional = matches!(*field, "seller_id" | "gateway_url" | "base_url");
        if !text.is_empty() || !optional {
            document.insert((*field).to_owned(), Value::from(text));
        }
    }
    if method == Method::WechatPay {
        document.insert("platform_keys".to_owned(), settings.json(names::WECHAT_PAY_PLATFORM_KEYS));
    }
    if document.get("platform_keys").is_some_and(Value::is_null) {
        document.insert("platform_keys".to_owned(), json!([]));
    }
    serde_json::from_value(Value::Object(document)).map_err(|_| {
        Error::unavailable(format!("the settings of {method} are wrong"), "wechat_pay_platform_keys is no list of keys")
    })
}

/// A provider's failure in the business's words.
pub(super) fn failed(method: Method, error: &PayError) -> Error {
    match error {
        PayError::Misconfigured(why) => Error::unavailable(format!("{method} is not set up completely"), why),
        PayError::Invalid(why) => Error::invalid("paymentMethod", *why),
        PayError::Unreachable(_) => Error::upstream(method.as_str(), 504, error.to_string()),
        PayError::Refused { status, .. } => Error::upstream(method.as_str(), *status, error.to_string()),
        PayError::Forged | PayError::Malformed(_) => Error::upstream(method.as_str(), 502, error.to_string()),
    }
}
