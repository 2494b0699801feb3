//! Signing in by the word of other systems.

use super::super::{Definition, Kind};
use super::{names, row, secret};

const fn switch(name: &'static str, description: &'static str) -> Definition {
    row("sign_in", name, Kind::Bool, "true", description)
}

pub(super) const ROWS: &[Definition] = &[
    switch("sign_in_github_enabled", "GitHub: whether people may sign in by it, once it is set up"),
    row("sign_in", "sign_in_github_client_id", Kind::Text(500), "", "GitHub: number of the application"),
    secret("sign_in", "sign_in_github_client_secret", Kind::Text(500), "GitHub: secret of the application"),
    switch("sign_in_google_enabled", "Google: whether people may sign in by it, once it is set up"),
    row("sign_in", "sign_in_google_client_id", Kind::Text(500), "", "Google: number of the application"),
    secret("sign_in", "sign_in_google_client_secret", Kind::Text(500), "Google: secret of the application"),
    switch("sign_in_wechat_enabled", "WeChat: whether people may sign in by it, once it is set up"),
    row("sign_in", "sign_in_wechat_client_id", Kind::Text(500), "", "WeChat: number of the application"),
    secret("sign_in", "sign_in_wechat_client_secret", Kind::Text(500), "WeChat: secret of the application"),
    switch("sign_in_feishu_enabled", "Feishu: whether people may sign in by it, once it is set up"),
    row("sign_in", "sign_in_feishu_client_id", Kind::Text(500), "", "Feishu: number of the application"),
    secret("sign_in", "sign_in_feishu_client_secret", Kind::Text(500), "Feishu: secret of the application"),
    switch("sign_in_twitter_enabled", "Twitter: whether people may sign in by it, once it is set up"),
    row("sign_in", "sign_in_twitter_client_id", Kind::Text(500), "", "Twitter: number of the application"),
    secret("sign_in", "sign_in_twitter_client_secret", Kind::Text(500), "Twitter: secret of the application"),
    switch("sign_in_facebook_enabled", "Facebook: whether people may sign in by it, once it is set up"),
    row("sign_in", "sign_in_facebook_client_id", Kind::Text(500), "", "Facebook: number of the application"),
    secret("sign_in", "sign_in_facebook_client_secret", Kind::Text(500), "Facebook: secret of the application"),
    switch("sign_in_xiaohongshu_enabled", "Xiaohongshu: whether people may sign in by it, once it is set up"),
    row("sign_in", "sign_in_xiaohongshu_client_id", Kind::Text(500), "", "Xiaohongshu: number of the application"),
    secret("sign_in", "sign_in_xiaohongshu_client_secret", Kind::Text(500), "Xiaohongshu: secret of the application"),
    switch("sign_in_oidc_enabled", "OpenID Connect: whether people may sign in by it, once it is set up"),
    row("sign_in", "sign_in_oidc_client_id", Kind::Text(500), "", "OpenID Connect: number of the application"),
    secret("sign_in", "sign_in_oidc_client_secret", Kind::Text(500), "OpenID Connect: secret of the application"),
    switch("sign_in_linuxdo_enabled", "Linux DO: whether people may sign in by it, once it is set up"),
    row("sign_in", "sign_in_linuxdo_client_id", Kind::Text(500), "", "Linux DO: number of the application"),
    secret("sign_in", "sign_in_linuxdo_client_secret", Kind::Text(500), "Linux DO: secret of the application"),
    row(
        "sign_in",
        names::SIGN_IN_OIDC_WELL_KNOWN,
        Kind::Text(500),
        "",
        "OpenID Connect: where its addresses were read from; pages of settings read them there again",
    ),
    row(
        "sign_in",
        names::SIGN_IN_OIDC_AUTHORIZE_URL,
        Kind::Text(500),
        "",
        "OpenID Connect: address of its consent page",
    ),
    row("sign_in", names::SIGN_IN_OIDC_TOKEN_URL, Kind::Text(500), "", "OpenID Connect: address that exchanges codes"),
    row(
        "sign_in",
        names::SIGN_IN_OIDC_USERINFO_URL,
        Kind::Text(500),
        "",
        "OpenID Connect: address that tells who it is",
    ),
    switch(names::SIGN_IN_TELEGRAM_ENABLED, "Telegram: whether people may sign in by it, once it is set up"),
    row("sign_in", names::SIGN_IN_TELEGRAM_BOT, Kind::Text(100), "", "Telegram: name of the bot behind the button"),
    secret("sign_in", names::SIGN_IN_TELEGRAM_TOKEN, Kind::Text(200), "Telegram: token of that bot"),
    switch(
        names::SIGN_IN_WECHAT_ACCOUNT_ENABLED,
        "WeChat official account: whether people may sign in by its codes, once it is set up",
    ),
    row(
        "sign_in",
        names::SIGN_IN_WECHAT_ACCOUNT_SERVER,
        Kind::Text(500),
        "",
        "WeChat official account: address of the server that knows whom it told a code",
    ),
    secret(
        "sign_in",
        names::SIGN_IN_WECHAT_ACCOUNT_TOKEN,
        Kind::Text(500),
        "WeChat official account: what that server wants in the Authorization header",
    ),
    row(
        "sign_in",
        names::SIGN_IN_WECHAT_ACCOUNT_PICTURE,
        Kind::Text(2_000),
        "",
        "WeChat official account: address of the picture people scan to follow it",
    ),
    row(
        "sign_in",
        names::SIGN_IN_ADDRESSES,
        Kind::Json,
        "{}",
        "Addresses in place of the published ones, such as {\"github\": {\"authorize\": \"…\", \"token\": \"…\", \"profile\": \"…\", \"extra\": \"…\"}}",
    ),
];
