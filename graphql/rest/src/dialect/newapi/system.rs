//! What the system says of itself: status, about, notice, home page, set-up.

use axum::extract::State;
use schema::service::oauth_login::{self, Offer};
use schema::service::setting::{self, names};
use schema::{App, Time};
use serde_json::{Value, json};

use super::shape::Shape;
use super::{Reply, data, panel, topup};

/// When this process began to serve.
static STARTED: std::sync::LazyLock<Time> = std::sync::LazyLock::new(|| schema::Clock::System.now());

/// Notes when that was; without it, it would be when somebody first asked.
pub fn begin() {
    std::sync::LazyLock::force(&STARTED);
}

const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

pub async fn status(State(app): State<App>) -> Reply {
    let settings = setting::current(&app);
    let cny = settings.number(names::CNY_PER_USD);
    let methods = topup::methods(&app);
    let (github, linuxdo) = (oauth_login::offer(&app, "github"), oauth_login::offer(&app, "linuxdo"));
    let (oidc, telegram) = (oauth_login::offer(&app, "oidc"), oauth_login::telegram_bot(&app));
    let wechat = oauth_login::wechat_picture(&app);
    let client = |offer: &Option<Offer>| offer.as_ref().map(|offer| offer.client_id.clone()).unwrap_or_default();
    let mut status = json!({
        "version": VERSION,
        "start_time": STARTED.seconds(),
        "system_name": settings.text(names::SITE_NAME),
        "logo": settings.text(names::SITE_LOGO),
        "footer_html": settings.text(names::FOOTER),
        "server_address": app.config.public_url(),
        "email_verification": settings.bool(names::EMAIL_VERIFICATION),
        "github_oauth": github.is_some(), "github_client_id": client(&github),
        "linuxdo_oauth": linuxdo.is_some(), "linuxdo_client_id": client(&linuxdo),
        "telegram_oauth": telegram.is_some(), "telegram_bot_name": telegram.unwrap_or_default(),
        "oidc_enabled": oidc.is_some(), "oidc_client_id": client(&oidc),
        "oidc_authorization_endpoint": oidc.map(|offer| offer.authorize_url).unwrap_or_default(),
        "wechat_login": wechat.is_some(), "wechat_qrcode": wechat.unwrap_or_default(),
        "turnstile_check": false, "turnstile_site_key": "",
        "price": cny,
        "usd_exchange_rate": cny,
        "min_topup": topup::least(&settings),
        "top_up_link": settings.text(names::TOP_UP_LINK),
        "docs_link": docs_link(&app, settings.text(names::PANEL_DOCS_LINK)),
        "quota_per_unit": schema::money::QUOTA_PER_DOLLAR,
        "display_in_currency": settings.bool(names::PANEL_IN_CURRENCY),
        "quota_display_type": "USD",
        "enable_batch_update": false,
        "enable_drawing": settings.bool(names::PANEL_DRAWING),
        "enable_task": settings.bool(names::PANEL_TASKS),
        "enable_data_export": settings.bool(names::PANEL_CHARTS),
        "data_export_default_time": settings.text(names::PANEL_CHARTS_STEP),
        "default_collapse_sidebar": settings.bool(names::PANEL_COLLAPSED),
        "enable_online_topup": !methods.is_empty(),
        // The page of pictures warns without it that they will not be finished; vendors are asked after them here.
        "mj_notify_enabled": true,
        "chats": chats(settings.text(names::CHAT_LINK)),
        "demo_site_enabled": false,
        "self_use_mode_enabled": false,
        "default_use_auto_group": false,
        "register_enabled": settings.bool(names::REGISTRATION_ENABLED),
        "password_login_enabled": true,
        "password_register_enabled": settings.bool(names::PASSWORD_REGISTRATION),
        "pay_methods": methods,
        "setup": true,
    });
    if let Value::Object(status) = &mut status {
        status.extend(panel::shown(&settings));
    }
    Ok(data(status))
}

fn docs_link(app: &App, own: &str) -> String {
    if own.is_empty() { format!("{}/docs", app.config.public_url()) } else { own.to_owned() }
}

/// The chat clients: one address, or this system's own list of them.
pub fn chats(link: &str) -> Value {
    match serde_json::from_str::<Vec<Value>>(link) {
        Ok(list) => list.into(),
        Err(_) if link.is_empty() => json!([]),
        Err(_) => json!([{ "chat": link }]),
    }
}

pub async fn about(State(app): State<App>, shape: Shape) -> Reply {
    let settings = setting::current(&app);
    Ok(match shape {
        Shape::Documented => data(json!({
            "version": VERSION,
            "system_name": settings.text(names::SITE_NAME),
            "footer": settings.text(names::FOOTER),
            "logo": settings.text(names::SITE_LOGO),
        })),
        Shape::Deployed => data(settings.text(names::ABOUT)),
    })
}

pub async fn notice(State(app): State<App>) -> Reply {
    Ok(data(setting::current(&app).text(names::NOTICE)))
}

pub async fn home(State(app): State<App>, shape: Shape) -> Reply {
    let settings = setting::current(&app);
    let text = settings.text(names::HOME_PAGE);
    Ok(match shape {
        Shape::Documented => data(json!({ "content": text })),
        Shape::Deployed => data(text),
    })
}

/// There is always a first administrator, so there is nothing to set up.
pub async fn setup(State(app): State<App>) -> Reply {
    let kind = if app.config.embedded() { "sqlite" } else { "postgres" };
    Ok(data(json!({ "status": true, "root_init": true, "database_type": kind })))
}
