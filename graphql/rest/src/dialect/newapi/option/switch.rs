//! Switches that need more than being switched on: ways to sign in, which are shown on where people really can come in by
//! them, as the status says it, and are not switched on before they are set up.

use schema::service::oauth_login;
use schema::service::setting::{Settings, names};
use schema::{App, Error};

/// One of them.
struct Switch {
    option: &'static str,
    /// The way to sign in; `None` for the one switch that is none.
    way: Option<&'static str>,
    /// What is said to whoever switches it on too early.
    missing: &'static str,
}

const SWITCHES: &[Switch] = &[
    Switch {
        option: "GitHubOAuthEnabled",
        way: Some("github"),
        missing: "无法启用 GitHub OAuth，请先填入 GitHub Client Id 以及 GitHub Client Secret！",
    },
    Switch {
        option: "oidc.enabled",
        way: Some("oidc"),
        missing: "无法启用 OIDC 登录，请先填入 OIDC Client Id 以及 OIDC Client Secret！",
    },
    Switch {
        option: "LinuxDOOAuthEnabled",
        way: Some("linuxdo"),
        missing: "无法启用 LinuxDO OAuth，请先填入 LinuxDO Client Id 以及 LinuxDO Client Secret！",
    },
    Switch {
        option: "WeChatAuthEnabled",
        way: Some("wechat_account"),
        missing: "无法启用微信登录，请先填入微信登录相关配置信息！",
    },
    Switch {
        option: "TelegramOAuthEnabled",
        way: Some("telegram"),
        missing: "无法启用 Telegram OAuth，请先填入 Telegram Bot Token！",
    },
    Switch {
        option: "EmailDomainRestrictionEnabled",
        way: None,
        missing: "无法启用邮箱域名限制，请先填入限制的邮箱域名！",
    },
];

fn named(option: &str) -> Option<&'static Switch> {
    SWITCHES.iter().find(|switch| switch.option == option)
}

/// What a switch is shown as, whose setting has this value.
pub fn told(app: &App, option: &str, value: &str) -> String {
    match named(option).and_then(|switch| switch.way) {
        Some(way) => oauth_login::is_open(app, way).to_string(),
        None => value.to_owned(),
    }
}

/// Whether a text switches something on.
pub fn is_on(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "true" | "1")
}

/// Refuses to switch on what would not be set up by these settings.
pub fn check(option: &str, after: &Settings) -> Result<(), Error> {
    let Some(switch) = named(option) else { return Ok(()) };
    let ready = match switch.way {
        Some(way) => oauth_login::is_set_up(after, way),
        None => !after.text(names::EMAIL_DOMAINS).trim().is_empty(),
    };
    if ready { Ok(()) } else { Err(Error::conflict("NOT_SET_UP", switch.missing)) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::name::{NAMES, Unit};
    use super::*;

    #[test]
    fn every_switch_is_an_option_and_every_such_option_a_switch() {
        let units: Vec<&str> = NAMES.iter().filter(|a| a.unit == Unit::Switch).map(|a| a.deployed).collect();
        assert_eq!(units.len(), SWITCHES.len());
        assert!(units.iter().all(|option| named(option).is_some()), "{units:?}");
    }

    #[test]
    fn what_a_way_needs_may_come_with_its_switch() {
        let settings = Settings::defaults();
        let with = |changes: &[(&str, &str)]| {
            let changes = changes.iter().map(|(name, text)| ((*name).to_owned(), Some((*text).to_owned())));
            settings.with(&changes.collect::<BTreeMap<_, _>>())
        };
        let half = [("sign_in_github_client_id", "the-app")];
        let whole = [half[0], ("sign_in_github_client_secret", "hush")];
        assert!(check("GitHubOAuthEnabled", &with(&half)).is_err());
        assert!(check("GitHubOAuthEnabled", &with(&whole)).is_ok());
        // A secret that is only covered is none that was set.
        assert!(check("GitHubOAuthEnabled", &with(&[half[0], ("sign_in_github_client_secret", "***")])).is_err());
        let bot = [("sign_in_telegram_bot", "the_bot"), ("sign_in_telegram_token", "1:x")];
        assert!(check("TelegramOAuthEnabled", &with(&bot[..1])).is_err());
        assert!(check("TelegramOAuthEnabled", &with(&bot)).is_ok());
        assert!(check("EmailDomainRestrictionEnabled", &settings).is_ok());
        assert!(check("EmailDomainRestrictionEnabled", &with(&[("email_domains", " ")])).is_err());
        assert!(check("DrawingEnabled", &settings).is_ok(), "an option that needs nothing");
    }
}
