//! Which options' pages read a refusal. The deployed system says no in the body of a 200, and some of its pages of
//! settings say that something was saved without looking there; a status they do hear, though not the sentence.

/// Options whose pages show the sentence in the body of a 200, and say nothing was saved.
const HEARD: &[&str] = &[
    // Signing in and mail: the switches alone; beside a text's refusal that page still says it was saved.
    "PasswordLoginEnabled",
    "PasswordRegisterEnabled",
    "RegisterEnabled",
    "EmailVerificationEnabled",
    "EmailDomainRestrictionEnabled",
    "EmailAliasRestrictionEnabled",
    "GitHubOAuthEnabled",
    "LinuxDOOAuthEnabled",
    "WeChatAuthEnabled",
    "TelegramOAuthEnabled",
    "oidc.enabled",
    "TurnstileCheckEnabled",
    "SMTPSSLEnabled",
    "WorkerAllowHttpImageRequestEnabled",
    // Prices and groups.
    "ModelPrice",
    "ModelRatio",
    "CompletionRatio",
    "CacheRatio",
    "ExposeRatioEnabled",
    "GroupRatio",
    "GroupGroupRatio",
    "UserUsableGroups",
    "AutoGroups",
    "DefaultUseAutoGroup",
    // Payment.
    "ServerAddress",
    "PayAddress",
    "EpayId",
    "EpayKey",
    "Price",
    "MinTopUp",
    "PayMethods",
    "TopupGroupRatio",
    "CustomCallbackAddress",
    // Limits of calls.
    "ModelRequestRateLimitEnabled",
    "ModelRequestRateLimitCount",
    "ModelRequestRateLimitSuccessCount",
    "ModelRequestRateLimitDurationMinutes",
    "ModelRequestRateLimitGroup",
];

/// Whether a refusal in the body of a 200 is heard.
pub fn in_body(option: &str) -> bool {
    option.starts_with("console_setting.") || HEARD.contains(&option)
}

#[cfg(test)]
mod tests {
    use super::super::fixed::is_fixed;
    use super::super::name::NAMES;
    use super::*;
    use crate::dialect::newapi::price;

    #[test]
    fn every_one_is_an_option_and_named_once() {
        for (at, option) in HEARD.iter().enumerate() {
            let known =
                NAMES.iter().any(|alias| alias.deployed == *option) || is_fixed(option) || price::is_table(option);
            assert!(known, "{option}");
            assert!(!HEARD[at + 1..].contains(option), "{option} twice");
        }
    }
}
