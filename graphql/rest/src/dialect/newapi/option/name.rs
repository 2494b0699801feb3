//! What this system calls its options, which setting stands behind each, and in which unit.

use schema::money::{DOLLAR, QUOTA_PER_DOLLAR};
use schema::service::setting::{self, names};
use schema::{App, Error};

use super::fixed;
use crate::dialect::newapi::{price, system};

/// How a setting's value is written under this system's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As it is.
    Same,
    /// Quota for micro-dollars.
    Quota,
    /// Whole dollars for micro-dollars.
    Dollars,
    /// Repetitions for tries.
    Repeats,
    /// A switch for the word `tls`.
    Tls,
    /// A switch for so many seconds of silence, or none.
    Silence,
    /// A JSON list of chat clients for the one address that may stand in its place.
    Chats,
    /// A switch that needs more than being switched on.
    Switch,
}

/// One option.
pub struct Alias {
    /// As the document has it; empty where it has none.
    pub documented: &'static str,
    /// As the deployed system has it.
    pub deployed: &'static str,
    pub setting: &'static str,
    pub unit: Unit,
}

const fn both(documented: &'static str, deployed: &'static str, setting: &'static str) -> Alias {
    Alias { documented, deployed, setting, unit: Unit::Same }
}

const fn named(deployed: &'static str, setting: &'static str) -> Alias {
    both("", deployed, setting)
}

const fn counted(deployed: &'static str, setting: &'static str, unit: Unit) -> Alias {
    Alias { documented: "", deployed, setting, unit }
}

/// Every option with a setting behind it.
pub const NAMES: &[Alias] = &[
    both("system_name", "SystemName", names::SITE_NAME),
    both("logo", "Logo", names::SITE_LOGO),
    both("footer", "Footer", names::FOOTER),
    both("top_up_link", "TopUpLink", names::TOP_UP_LINK),
    both("chat_link", "ChatLink", names::CHAT_LINK),
    counted("Chats", names::CHAT_LINK, Unit::Chats),
    both("notice", "Notice", names::NOTICE),
    both("about", "About", names::ABOUT),
    both("home_page_content", "HomePageContent", names::HOME_PAGE),
    both("register_enabled", "RegisterEnabled", names::REGISTRATION_ENABLED),
    named("PasswordRegisterEnabled", names::PASSWORD_REGISTRATION),
    both("group_ratio", "GroupRatio", names::GROUP_RATIOS),
    both("user_usable_groups", "UserUsableGroups", names::USER_USABLE_GROUPS),
    named("AutoGroups", names::AUTO_GROUPS),
    counted("QuotaForNewUser", names::NEW_USER_BALANCE, Unit::Quota),
    counted("QuotaForInviter", names::INVITER_REWARD, Unit::Quota),
    counted("QuotaForInvitee", names::INVITEE_REWARD, Unit::Quota),
    named("ModelRequestRateLimitEnabled", names::CALLS_LIMITED),
    named("ModelRequestRateLimitCount", names::CALLS_LIMIT),
    named("ModelRequestRateLimitSuccessCount", names::CALLS_SERVED_LIMIT),
    named("ModelRequestRateLimitDurationMinutes", names::CALLS_LIMIT_MINUTES),
    named("ModelRequestRateLimitGroup", names::CALLS_LIMIT_GROUPS),
    named("CheckSensitiveEnabled", names::FORBIDDEN_WORDS_CHECKED),
    named("SensitiveWords", names::FORBIDDEN_WORDS),
    counted("RetryTimes", names::MOST_TRIES, Unit::Repeats),
    named("MjForwardUrlEnabled", names::FORWARD_PICTURES),
    named("EmailVerificationEnabled", names::EMAIL_VERIFICATION),
    counted("EmailDomainRestrictionEnabled", names::EMAIL_DOMAIN_RESTRICTION, Unit::Switch),
    named("EmailDomainWhitelist", names::EMAIL_DOMAINS),
    named("EmailAliasRestrictionEnabled", names::EMAIL_ALIAS_RESTRICTION),
    named("SMTPServer", names::SMTP_HOST),
    named("SMTPPort", names::SMTP_PORT),
    named("SMTPAccount", names::SMTP_USER),
    named("SMTPToken", names::SMTP_PASSWORD),
    named("SMTPFrom", names::SMTP_FROM),
    counted("SMTPSSLEnabled", names::SMTP_SECURITY, Unit::Tls),
    named("PayAddress", names::EPAY_ADDRESS),
    named("EpayId", names::EPAY_MERCHANT),
    named("EpayKey", names::EPAY_KEY),
    named("PayMethods", names::EPAY_METHODS),
    named("Price", names::CNY_PER_USD),
    named("USDExchangeRate", names::CNY_PER_USD),
    counted("MinTopUp", names::TOPUP_LEAST, Unit::Dollars),
    counted("general_setting.ping_interval_enabled", names::KEEP_ALIVE_SECONDS, Unit::Silence),
    named("general_setting.ping_interval_seconds", names::KEEP_ALIVE_SECONDS),
    counted("GitHubOAuthEnabled", "sign_in_github_enabled", Unit::Switch),
    named("GitHubClientId", "sign_in_github_client_id"),
    named("GitHubClientSecret", "sign_in_github_client_secret"),
    counted("LinuxDOOAuthEnabled", "sign_in_linuxdo_enabled", Unit::Switch),
    named("LinuxDOClientId", "sign_in_linuxdo_client_id"),
    named("LinuxDOClientSecret", "sign_in_linuxdo_client_secret"),
    counted("oidc.enabled", "sign_in_oidc_enabled", Unit::Switch),
    named("oidc.client_id", "sign_in_oidc_client_id"),
    named("oidc.client_secret", "sign_in_oidc_client_secret"),
    named("oidc.well_known", names::SIGN_IN_OIDC_WELL_KNOWN),
    named("oidc.authorization_endpoint", names::SIGN_IN_OIDC_AUTHORIZE_URL),
    named("oidc.token_endpoint", names::SIGN_IN_OIDC_TOKEN_URL),
    named("oidc.user_info_endpoint", names::SIGN_IN_OIDC_USERINFO_URL),
    counted("TelegramOAuthEnabled", names::SIGN_IN_TELEGRAM_ENABLED, Unit::Switch),
    named("TelegramBotName", names::SIGN_IN_TELEGRAM_BOT),
    named("TelegramBotToken", names::SIGN_IN_TELEGRAM_TOKEN),
    counted("WeChatAuthEnabled", names::SIGN_IN_WECHAT_ACCOUNT_ENABLED, Unit::Switch),
    named("WeChatServerAddress", names::SIGN_IN_WECHAT_ACCOUNT_SERVER),
    named("WeChatServerToken", names::SIGN_IN_WECHAT_ACCOUNT_TOKEN),
    named("WeChatAccountQRCodeImageURL", names::SIGN_IN_WECHAT_ACCOUNT_PICTURE),
    named("DisplayInCurrencyEnabled", names::PANEL_IN_CURRENCY),
    named("DrawingEnabled", names::PANEL_DRAWING),
    named("TaskEnabled", names::PANEL_TASKS),
    named("DataExportEnabled", names::PANEL_CHARTS),
    named("DataExportDefaultTime", names::PANEL_CHARTS_STEP),
    named("DefaultCollapseSidebar", names::PANEL_COLLAPSED),
    named("general_setting.docs_link", names::PANEL_DOCS_LINK),
    named("console_setting.api_info_enabled", names::PANEL_API_INFO_ENABLED),
    named("console_setting.api_info", names::PANEL_API_INFO),
    named("console_setting.announcements_enabled", names::PANEL_ANNOUNCEMENTS_ENABLED),
    named("console_setting.announcements", names::PANEL_ANNOUNCEMENTS),
    named("console_setting.faq_enabled", names::PANEL_FAQ_ENABLED),
    named("console_setting.faq", names::PANEL_FAQ),
    named("console_setting.uptime_kuma_enabled", names::PANEL_UPTIME_ENABLED),
    named("console_setting.uptime_kuma_groups", names::PANEL_UPTIME),
];

impl Unit {
    /// A setting's value as this system writes it.
    pub fn told(self, value: &str) -> String {
        let number = || value.parse::<i64>().unwrap_or_default();
        match self {
            Self::Same | Self::Switch => value.to_owned(),
            Self::Quota => (number() / (DOLLAR / QUOTA_PER_DOLLAR)).to_string(),
            Self::Dollars => ((number() + DOLLAR - 1) / DOLLAR).to_string(),
            Self::Repeats => (number() - 1).to_string(),
            Self::Tls => (value == "tls").to_string(),
            Self::Silence => (number() > 0).to_string(),
            Self::Chats => system::chats(value).to_string(),
        }
    }

    /// The value of the setting, from what this system writes.
    pub fn read(self, name: &str, text: &str) -> Result<String, Error> {
        let number = |times: i64, plus: i64| {
            let read = text.trim().parse::<i64>().ok().and_then(|n| n.checked_mul(times)?.checked_add(plus));
            read.map(|n| n.to_string()).ok_or_else(|| Error::invalid(name, format!("{name} 必须为整数")))
        };
        match self {
            Self::Same | Self::Switch => Ok(text.to_owned()),
            Self::Chats => match serde_json::from_str::<Vec<serde_json::Map<String, serde_json::Value>>>(text) {
                Ok(list) if list.is_empty() => Ok(String::new()),
                Ok(_) => Ok(text.to_owned()),
                Err(_) => Err(Error::invalid(name, format!("{name} 必须为 JSON 数组，每项为 {{名称: 地址}}"))),
            },
            Self::Quota => number(DOLLAR / QUOTA_PER_DOLLAR, 0),
            Self::Dollars => number(DOLLAR, 0),
            Self::Repeats => number(1, 1),
            Self::Tls if text == "true" => Ok("tls".to_owned()),
            Self::Tls if text == "false" => Ok("starttls".to_owned()),
            Self::Silence if text == "true" => Ok("15".to_owned()),
            Self::Silence if text == "false" => Ok("0".to_owned()),
            Self::Tls | Self::Silence => Err(Error::invalid(name, format!("{name} 必须为 true 或 false"))),
        }
    }
}

/// What stands behind a name.
pub enum Behind {
    Setting(&'static str, Unit),
    /// One of the tables of prices.
    Prices,
    /// Nothing that could be changed here: the value it always has, and why.
    Fixed(String, &'static str),
}

/// What stands behind a name of either kind; a setting's own name is understood as well.
pub fn behind(app: &App, name: &str) -> Result<Behind, Error> {
    if let Some(alias) = NAMES.iter().find(|a| a.deployed == name || (!name.is_empty() && a.documented == name)) {
        return Ok(Behind::Setting(alias.setting, alias.unit));
    }
    if let Some(definition) = setting::definition(name) {
        return Ok(Behind::Setting(definition.name, Unit::Same));
    }
    if price::is_table(name) {
        return Ok(Behind::Prices);
    }
    let fixed = fixed::all(app).find(|fixed| fixed.key == name);
    let fixed = fixed.map(|fixed| Behind::Fixed(fixed.value, fixed.why));
    fixed.ok_or_else(|| Error::invalid(name, format!("没有名为 {name} 的选项")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_has_a_setting_and_units_go_both_ways() {
        for alias in NAMES {
            let definition = setting::definition(alias.setting).expect("a setting");
            if !definition.secret {
                let told = alias.unit.told(definition.default);
                let read = alias.unit.read(alias.deployed, &told).expect("its own value");
                assert_eq!(alias.unit.told(&read), told, "{}", alias.deployed);
            }
        }
        assert_eq!(Unit::Quota.read("QuotaForNewUser", "500000").expect("a quota"), "1000000");
        assert_eq!(Unit::Repeats.read("RetryTimes", "3").expect("a number"), "4");
        for (unit, text) in [(Unit::Quota, "x"), (Unit::Dollars, "9999999999999999"), (Unit::Tls, "yes")] {
            assert!(unit.read("n", text).is_err(), "{text}");
        }
    }
}
