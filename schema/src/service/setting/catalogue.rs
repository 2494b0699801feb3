//! Every setting the product knows, by category. To add one: a name, a row.

use super::{Definition, Kind};

/// Names that code asks for, so that a typing error is a compile error.
pub mod names {
    pub const SITE_NAME: &str = "site_name";
    pub const SITE_LOGO: &str = "site_logo";
    pub const FOOTER: &str = "footer";
    pub const NOTICE: &str = "notice";
    pub const ABOUT: &str = "about";
    pub const HOME_PAGE: &str = "home_page";
    pub const TOP_UP_LINK: &str = "top_up_link";
    pub const CHAT_LINK: &str = "chat_link";
    pub const TIME_ZONE: &str = "time_zone";
    pub const REGISTRATION_ENABLED: &str = "registration_enabled";
    pub const COOKIE_DOMAIN: &str = "cookie_domain";
    pub const LLM_ENABLED: &str = "llm_enabled";
    pub const MOST_TRIES: &str = "most_tries";
    pub const FIRST_BYTE_SECONDS: &str = "first_byte_seconds";
    pub const ANSWER_SECONDS: &str = "answer_seconds";
    pub const STREAM_IDLE_SECONDS: &str = "stream_idle_seconds";
    pub const KEEP_ALIVE_SECONDS: &str = "keep_alive_seconds";
    pub const EARLY_KEEP_ALIVE: &str = "early_keep_alive";
    pub const CLIENT_GONE_SECONDS: &str = "client_gone_seconds";
    pub const BODY_LIMIT_MIB: &str = "body_limit_mib";
    pub const SLOW_CLIENT_SECONDS: &str = "slow_client_seconds";
    pub const DEFAULT_MAX_OUTPUT: &str = "default_max_output";
    pub const FETCH_ALLOWED_HOSTS: &str = "fetch_allowed_hosts";
    pub const LOG_CALLS_EVERY: &str = "log_calls_every";
    pub const TASK_PATIENCE_MINUTES: &str = "task_patience_minutes";
    pub const FORWARD_PICTURES: &str = "forward_pictures";
    pub const USER_KEY_PERMISSIONS: &str = "user_key_permissions";
    pub const USER_USABLE_GROUPS: &str = "user_usable_groups";
    pub const AUTO_GROUPS: &str = "auto_groups";
    pub const BOUND_FALLBACK: &str = "bound_fallback";
    pub const GROUP_RATIOS: &str = "group_ratios";
    pub const USER_RATIOS: &str = "user_ratios";
    pub const MODEL_RATIOS: &str = "model_ratios";
    pub const SERVICE_RATES: &str = "service_rates";
    pub const UNPRICED_MODELS: &str = "unpriced_models";
    pub const NEW_USER_BALANCE: &str = "new_user_balance";
    pub const CREDITS_PER_USD: &str = "credits_per_usd";
    pub const CNY_PER_USD: &str = "cny_per_usd";
    pub const LOGIN_LIMIT: &str = "login_limit";
    pub const LOGIN_WINDOW_SECONDS: &str = "login_window_seconds";
    pub const RECORD_CONTENT: &str = "record_content";
    pub const RECORD_CONTENT_CHARS: &str = "record_content_chars";
    pub const CONTENT_RETENTION_DAYS: &str = "content_retention_days";
    pub const EVENT_RETENTION_DAYS: &str = "event_retention_days";
    pub const AUDIT_RETENTION_DAYS: &str = "audit_retention_days";
    pub const USAGE_RETENTION_DAYS: &str = "usage_retention_days";
    pub const LOG_SAMPLE_PERCENT: &str = "log_sample_percent";
    pub const LOG_RETENTION_DAYS: &str = "log_retention_days";
    pub const CURRENCY_RATES: &str = "currency_rates";
    pub const REPORT_CURRENCY: &str = "report_currency";
    pub const CARD_ATTEMPTS: &str = "card_attempts";
    pub const CARD_WINDOW_SECONDS: &str = "card_window_seconds";
    pub const ORDER_MINUTES: &str = "order_minutes";
    pub const BANK_TRANSFER_MINUTES: &str = "bank_transfer_minutes";
    pub const LATE_PAYMENT: &str = "late_payment";
    pub const TOPUP_LEAST: &str = "topup_least";
    pub const TOPUP_MOST: &str = "topup_most";
    pub const ALIPAY_ENABLED: &str = "alipay_enabled";
    pub const ALIPAY_APP_ID: &str = "alipay_app_id";
    pub const ALIPAY_SELLER_ID: &str = "alipay_seller_id";
    pub const ALIPAY_PRIVATE_KEY: &str = "alipay_private_key";
    pub const ALIPAY_PUBLIC_KEY: &str = "alipay_public_key";
    pub const ALIPAY_GATEWAY_URL: &str = "alipay_gateway_url";
    pub const ALIPAY_MODE: &str = "alipay_mode";
    pub const WECHAT_PAY_ENABLED: &str = "wechat_pay_enabled";
    pub const WECHAT_PAY_APP_ID: &str = "wechat_pay_app_id";
    pub const WECHAT_PAY_MCH_ID: &str = "wechat_pay_mch_id";
    pub const WECHAT_PAY_CERT_SERIAL: &str = "wechat_pay_cert_serial";
    pub const WECHAT_PAY_PRIVATE_KEY: &str = "wechat_pay_private_key";
    pub const WECHAT_PAY_API_V3_KEY: &str = "wechat_pay_api_v3_key";
    pub const WECHAT_PAY_PLATFORM_KEYS: &str = "wechat_pay_platform_keys";
    pub const WECHAT_PAY_BASE_URL: &str = "wechat_pay_base_url";
    pub const STRIPE_ENABLED: &str = "stripe_enabled";
    pub const STRIPE_SECRET_KEY: &str = "stripe_secret_key";
    pub const STRIPE_WEBHOOK_SECRET: &str = "stripe_webhook_secret";
    pub const STRIPE_BASE_URL: &str = "stripe_base_url";
    pub const OAUTH_CLAUDE_AUTHORIZE_URL: &str = "oauth_claude_authorize_url";
    pub const OAUTH_CLAUDE_TOKEN_URL: &str = "oauth_claude_token_url";
    pub const OAUTH_OPENAI_AUTHORIZE_URL: &str = "oauth_openai_authorize_url";
    pub const OAUTH_OPENAI_TOKEN_URL: &str = "oauth_openai_token_url";
    pub const OAUTH_GOOGLE_AUTHORIZE_URL: &str = "oauth_google_authorize_url";
    pub const OAUTH_GOOGLE_TOKEN_URL: &str = "oauth_google_token_url";
    pub const OAUTH_GOOGLE_CLIENT_SECRET: &str = "oauth_google_client_secret";
    pub const TOKEN_RENEWAL_MINUTES: &str = "token_renewal_minutes";
    pub const RELEASES_URL: &str = "releases_url";
    pub const PRICES_URL: &str = "prices_url";
    pub const CRS_CONSOLE: &str = "crs_console";
    pub const WEBHOOKS: &str = "webhooks";
    pub const WEBHOOK_ALLOWED_HOSTS: &str = "webhook_allowed_hosts";
    pub const CLAUDE_CODE_ONLY: &str = "claude_code_only";
    pub const KEY_QUEUE: &str = "key_queue";
    pub const KEY_QUEUE_SIZE: &str = "key_queue_size";
    pub const KEY_QUEUE_FACTOR: &str = "key_queue_factor";
    pub const KEY_QUEUE_MS: &str = "key_queue_ms";
    pub const BANK_TRANSFER_ENABLED: &str = "bank_transfer_enabled";
    pub const BANK_TRANSFER_INSTRUCTIONS: &str = "bank_transfer_instructions";
    pub const MASSROUTER_USER_LIMIT: &str = "massrouter_user_limit";
    pub const MASSROUTER_ANONYMOUS_LIMIT: &str = "massrouter_anonymous_limit";
    pub const LEDGER_LOGIN_LIMIT: &str = "ledger_login_limit";
    pub const LEDGER_ADMIN_LIMIT: &str = "ledger_admin_limit";
    pub const LEDGER_BATCH_LIMIT: &str = "ledger_batch_limit";
    pub const SIGN_IN_ADDRESSES: &str = "sign_in_addresses";
    pub const NEWAPI_LOGIN_LIMIT: &str = "newapi_login_limit";
}

const fn row(
    category: &'static str,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    description: &'static str,
) -> Definition {
    Definition { name, kind, default, category, description, secret: false, editable: true }
}

/// A setting that is sealed and never shown.
const fn secret(category: &'static str, name: &'static str, kind: Kind, description: &'static str) -> Definition {
    Definition { name, kind, default: "", category, description, secret: true, editable: true }
}

/// The list.
pub const CATALOGUE: &[Definition] = &[
    row("site", names::SITE_NAME, Kind::Text(100), "Tollgate", "Name shown to users"),
    row("site", names::SITE_LOGO, Kind::Text(350_000), "", "Address or data URL of the logo"),
    row("site", names::FOOTER, Kind::Text(20_000), "", "Text at the foot of pages"),
    row("site", names::NOTICE, Kind::Text(50_000), "", "Notice shown to everybody"),
    row("site", names::ABOUT, Kind::Text(50_000), "", "Text or address of the about page"),
    row("site", names::HOME_PAGE, Kind::Text(50_000), "", "Text or address of the home page"),
    row("site", names::TOP_UP_LINK, Kind::Text(2_000), "", "Where people buy cards"),
    row("site", names::CHAT_LINK, Kind::Text(2_000), "", "A chat client that people may open with their key"),
    row("site", names::TIME_ZONE, Kind::Text(64), "UTC", "Time zone in which days and months are cut"),
    row(
        "site",
        names::CRS_CONSOLE,
        Kind::Json,
        "{}",
        "What the crs console shows of itself: icon, notice, admin button",
    ),
    row(
        "site",
        names::RELEASES_URL,
        Kind::Text(500),
        "",
        "Address of the feed that names the newest release; empty: not asked",
    ),
    secret("site", names::WEBHOOKS, Kind::Json, "Who is told of accounts that stop serving, spent quotas and alerts"),
    row(
        "site",
        names::WEBHOOK_ALLOWED_HOSTS,
        Kind::Text(4_000),
        "",
        "Hosts, separated by commas, that may be told although they are not public",
    ),
    row(
        "site",
        names::PRICES_URL,
        Kind::Text(500),
        "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json",
        "Address of the price list that is read when somebody asks for a refresh; empty: not asked",
    ),
    row(
        "oauth",
        names::OAUTH_CLAUDE_AUTHORIZE_URL,
        Kind::Text(500),
        "",
        "Claude: address of the consent page; empty: the published one",
    ),
    row(
        "oauth",
        names::OAUTH_CLAUDE_TOKEN_URL,
        Kind::Text(500),
        "",
        "Claude: address of the token endpoint; empty: the published one",
    ),
    row(
        "oauth",
        names::OAUTH_OPENAI_AUTHORIZE_URL,
        Kind::Text(500),
        "",
        "ChatGPT: address of the consent page; empty: the published one",
    ),
    row(
        "oauth",
        names::OAUTH_OPENAI_TOKEN_URL,
        Kind::Text(500),
        "",
        "ChatGPT: address of the token endpoint; empty: the published one",
    ),
    row(
        "oauth",
        names::OAUTH_GOOGLE_AUTHORIZE_URL,
        Kind::Text(500),
        "",
        "Google: address of the consent page; empty: the published one",
    ),
    row(
        "oauth",
        names::OAUTH_GOOGLE_TOKEN_URL,
        Kind::Text(500),
        "",
        "Google: address of the token endpoint; empty: the published one",
    ),
    secret(
        "oauth",
        names::OAUTH_GOOGLE_CLIENT_SECRET,
        Kind::Text(500),
        "Google: secret of the OAuth client that Gemini accounts log in by",
    ),
    row(
        "oauth",
        names::TOKEN_RENEWAL_MINUTES,
        Kind::Int(0, 1_440),
        "10",
        "Minutes before its end at which an account's access token is renewed in the background",
    ),
    row("user", names::REGISTRATION_ENABLED, Kind::Bool, "true", "Whether people may register themselves"),
    row("user", names::NEW_USER_BALANCE, Kind::Int(0, 1_000_000_000_000), "0", "Micro-dollars a new user starts with"),
    row(
        "user",
        names::LOGIN_LIMIT,
        Kind::Int(1, 100_000),
        "10",
        "Failed sign-ins per address and per name within the window",
    ),
    row("user", names::LOGIN_WINDOW_SECONDS, Kind::Int(1, 86_400), "300", "Length of the sign-in window"),
    row(
        "user",
        names::COOKIE_DOMAIN,
        Kind::Text(253),
        "",
        "Domain of the session cookie, such as .example.com; empty: this host alone",
    ),
    row("llm", names::LLM_ENABLED, Kind::Bool, "true", "Whether model calls are served at all"),
    row("llm", names::MOST_TRIES, Kind::Int(1, 20), "4", "Accounts that one call may try"),
    row("llm", names::FIRST_BYTE_SECONDS, Kind::Int(1, 3_600), "120", "Longest wait for a stream to begin"),
    row("llm", names::ANSWER_SECONDS, Kind::Int(5, 7_200), "600", "Longest wait for an answer that is no stream"),
    row("llm", names::STREAM_IDLE_SECONDS, Kind::Int(5, 3_600), "300", "Longest silence inside a stream"),
    row(
        "llm",
        names::KEEP_ALIVE_SECONDS,
        Kind::Int(0, 600),
        "15",
        "Silence after which a waiting client is kept alive; 0: never",
    ),
    row(
        "llm",
        names::EARLY_KEEP_ALIVE,
        Kind::Bool,
        "false",
        "Whether clients are kept alive before the vendor has begun, which commits the status",
    ),
    row(
        "llm",
        names::CLIENT_GONE_SECONDS,
        Kind::Int(0, 60),
        "3",
        "How long a vendor is still read, for its usage, after the client has gone",
    ),
    row("llm", names::BODY_LIMIT_MIB, Kind::Int(1, 1_024), "128", "Largest request body, in MiB"),
    row(
        "llm",
        names::SLOW_CLIENT_SECONDS,
        Kind::Int(1, 600),
        "30",
        "How long a client may take for the head of a request, and keep silent within its body",
    ),
    row(
        "llm",
        names::DEFAULT_MAX_OUTPUT,
        Kind::Int(1, 1_000_000),
        "8192",
        "Output limit where a vendor demands one and the caller gives none",
    ),
    row(
        "llm",
        names::FETCH_ALLOWED_HOSTS,
        Kind::Text(4_000),
        "",
        "Hosts, separated by commas, from which files in prompts are fetched although they are not public",
    ),
    row("llm", names::CLAUDE_CODE_ONLY, Kind::Bool, "false", "Whether Claude is served to Claude Code alone"),
    row(
        "llm",
        names::KEY_QUEUE,
        Kind::Bool,
        "false",
        "Whether calls beyond a key's limit of calls at the same time wait for their turn",
    ),
    row("llm", names::KEY_QUEUE_SIZE, Kind::Int(1, 100), "3", "Most calls of one key that wait"),
    row(
        "llm",
        names::KEY_QUEUE_FACTOR,
        Kind::Number(0.0, 10.0),
        "0",
        "Lets as many wait as the key's limit times this, where that is more",
    ),
    row("llm", names::KEY_QUEUE_MS, Kind::Int(1_000, 300_000), "10000", "Longest wait of a call, in milliseconds"),
    row(
        "llm",
        names::LOG_CALLS_EVERY,
        Kind::Int(0, 1_000_000),
        "100",
        "One call in so many is logged (failed ones always); 0: none but those",
    ),
    row(
        "llm",
        names::TASK_PATIENCE_MINUTES,
        Kind::Int(5, 10_080),
        "1440",
        "Minutes after which a task that has not ended has failed, and is refunded",
    ),
    row(
        "llm",
        names::FORWARD_PICTURES,
        Kind::Bool,
        "true",
        "Whether Midjourney's pictures are shown at addresses of this relay rather than at the vendor's",
    ),
    row(
        "llm",
        names::USER_KEY_PERMISSIONS,
        Kind::Text(200),
        "all",
        "Services people may give their own keys: all, or a list such as claude,openai",
    ),
    row(
        "llm",
        names::USER_USABLE_GROUPS,
        Kind::Json,
        r#"{"default":"Default"}"#,
        "Groups people may choose for their keys, each with the text shown for it",
    ),
    row(
        "llm",
        names::AUTO_GROUPS,
        Kind::Json,
        r#"["default"]"#,
        "Groups that a key of the group auto tries, in this order",
    ),
    row(
        "llm",
        names::BOUND_FALLBACK,
        Kind::Bool,
        "false",
        "Whether a key whose bound account cannot serve is sent to the shared ones",
    ),
    row(
        "llm",
        names::UNPRICED_MODELS,
        Kind::Choice(&["refuse", "free"]),
        "refuse",
        "What happens to calls of models without a price",
    ),
    row(
        "money",
        names::GROUP_RATIOS,
        Kind::Json,
        r#"{"default":1}"#,
        "Multiplies prices by the group a key uses; groups that are not named count 1",
    ),
    row(
        "money",
        names::USER_RATIOS,
        Kind::Json,
        "{}",
        "Multiplies prices by username, further to the group; people who are not named count 1",
    ),
    row(
        "money",
        names::MODEL_RATIOS,
        Kind::Json,
        "{}",
        "Multiplies prices by model; models that are not named count 1",
    ),
    row(
        "money",
        names::SERVICE_RATES,
        Kind::Json,
        "{}",
        "Multiplies prices by service (claude, openai …); services that are not named count 1",
    ),
    row("money", names::CREDITS_PER_USD, Kind::Int(1, 1_000_000), "1000", "Credits shown for one US dollar"),
    row("money", names::CNY_PER_USD, Kind::Number(0.01, 1000.0), "7.2", "Yuan for one US dollar"),
    row(
        "money",
        names::CURRENCY_RATES,
        Kind::Json,
        "{}",
        "Units of further currencies for one US dollar, such as {\"EUR\": 0.92}",
    ),
    row("money", names::REPORT_CURRENCY, Kind::Text(3), "CNY", "Currency in which revenue is reported"),
    row("money", names::CARD_ATTEMPTS, Kind::Int(1, 100_000), "20", "Wrong card codes per user within the window"),
    row("money", names::CARD_WINDOW_SECONDS, Kind::Int(1, 86_400), "600", "Length of that window"),
    row("payment", names::ORDER_MINUTES, Kind::Int(5, 1_440), "15", "Minutes an order can be paid"),
    row(
        "payment",
        names::BANK_TRANSFER_MINUTES,
        Kind::Int(5, 43_200),
        "4320",
        "Minutes an order can be paid by bank transfer",
    ),
    row(
        "payment",
        names::LATE_PAYMENT,
        Kind::Choice(&["activate", "refund"]),
        "activate",
        "What becomes of a payment that arrives after its order expired",
    ),
    row("payment", names::TOPUP_LEAST, Kind::Int(1, 1_000_000_000_000), "100000", "Least top-up in micro-dollars"),
    row("payment", names::TOPUP_MOST, Kind::Int(1, 1_000_000_000_000), "10000000000", "Most one top-up may be"),
    row("payment", names::ALIPAY_ENABLED, Kind::Bool, "false", "Whether Alipay is offered"),
    row("payment", names::ALIPAY_APP_ID, Kind::Text(64), "", "Alipay: number of the application"),
    row("payment", names::ALIPAY_SELLER_ID, Kind::Text(64), "", "Alipay: number of the seller, checked when set"),
    secret("payment", names::ALIPAY_PRIVATE_KEY, Kind::Text(8_192), "Alipay: the application's private key"),
    row("payment", names::ALIPAY_PUBLIC_KEY, Kind::Text(8_192), "", "Alipay: Alipay's public key"),
    row(
        "payment",
        names::ALIPAY_GATEWAY_URL,
        Kind::Text(500),
        "",
        "Alipay: address of the gateway; empty: the published one",
    ),
    row(
        "payment",
        names::ALIPAY_MODE,
        Kind::Choice(&["qr", "page"]),
        "qr",
        "Alipay: a code to scan or a page to go to",
    ),
    row("payment", names::WECHAT_PAY_ENABLED, Kind::Bool, "false", "Whether WeChat Pay is offered"),
    row("payment", names::WECHAT_PAY_APP_ID, Kind::Text(64), "", "WeChat Pay: number of the application"),
    row("payment", names::WECHAT_PAY_MCH_ID, Kind::Text(64), "", "WeChat Pay: number of the merchant"),
    row(
        "payment",
        names::WECHAT_PAY_CERT_SERIAL,
        Kind::Text(64),
        "",
        "WeChat Pay: serial of the merchant's certificate",
    ),
    secret("payment", names::WECHAT_PAY_PRIVATE_KEY, Kind::Text(8_192), "WeChat Pay: the merchant's private key"),
    secret("payment", names::WECHAT_PAY_API_V3_KEY, Kind::Text(64), "WeChat Pay: the API v3 key"),
    row(
        "payment",
        names::WECHAT_PAY_PLATFORM_KEYS,
        Kind::Json,
        "[]",
        "WeChat Pay: platform keys known beforehand, [{\"id\": \"PUB_KEY_ID_…\", \"pem\": \"…\"}]",
    ),
    row(
        "payment",
        names::WECHAT_PAY_BASE_URL,
        Kind::Text(500),
        "",
        "WeChat Pay: address of the API; empty: the published one",
    ),
    row("payment", names::STRIPE_ENABLED, Kind::Bool, "false", "Whether Stripe is offered"),
    secret("payment", names::STRIPE_SECRET_KEY, Kind::Text(500), "Stripe: the secret key"),
    secret("payment", names::STRIPE_WEBHOOK_SECRET, Kind::Text(500), "Stripe: signing secret of the webhook"),
    row("payment", names::STRIPE_BASE_URL, Kind::Text(500), "", "Stripe: address of the API; empty: the published one"),
    row("payment", names::BANK_TRANSFER_ENABLED, Kind::Bool, "false", "Whether bank transfer is offered"),
    row(
        "payment",
        names::BANK_TRANSFER_INSTRUCTIONS,
        Kind::Text(4_000),
        "",
        "Bank transfer: what the payer reads; {order}, {amount}, {currency} and {subject} are filled in",
    ),
    row("log", names::RECORD_CONTENT, Kind::Bool, "false", "Whether prompts and answers are stored"),
    row(
        "log",
        names::RECORD_CONTENT_CHARS,
        Kind::Int(100, 200_000),
        "8000",
        "Characters of each prompt and answer that are stored",
    ),
    row("log", names::CONTENT_RETENTION_DAYS, Kind::Int(1, 3650), "30", "Days that prompts and answers are kept"),
    row("log", names::EVENT_RETENTION_DAYS, Kind::Int(1, 3650), "90", "Days that health events of accounts are kept"),
    row("log", names::AUDIT_RETENTION_DAYS, Kind::Int(30, 36_500), "1095", "Days that the audit log is kept"),
    row(
        "limit",
        names::MASSROUTER_USER_LIMIT,
        Kind::Int(1, 1_000_000_000),
        "1000",
        "massrouter: requests an hour of one signed-in caller",
    ),
    row(
        "limit",
        names::MASSROUTER_ANONYMOUS_LIMIT,
        Kind::Int(1, 1_000_000_000),
        "100",
        "massrouter: requests an hour of one address without a credential",
    ),
    row(
        "limit",
        names::LEDGER_LOGIN_LIMIT,
        Kind::Int(1, 1_000_000_000),
        "5",
        "ledger: sign-ins a minute of one address",
    ),
    row(
        "limit",
        names::LEDGER_ADMIN_LIMIT,
        Kind::Int(1, 1_000_000_000),
        "100",
        "ledger: management requests a minute of one caller",
    ),
    row(
        "limit",
        names::LEDGER_BATCH_LIMIT,
        Kind::Int(1, 1_000_000_000),
        "10",
        "ledger: batch requests a minute of one caller",
    ),
    row(
        "limit",
        names::NEWAPI_LOGIN_LIMIT,
        Kind::Int(1, 1_000_000_000),
        "20",
        "newapi: sign-ins of one address in 20 minutes",
    ),
    row("sign_in", "sign_in_github_client_id", Kind::Text(500), "", "GitHub: number of the application"),
    secret("sign_in", "sign_in_github_client_secret", Kind::Text(500), "GitHub: secret of the application"),
    row("sign_in", "sign_in_google_client_id", Kind::Text(500), "", "Google: number of the application"),
    secret("sign_in", "sign_in_google_client_secret", Kind::Text(500), "Google: secret of the application"),
    row("sign_in", "sign_in_wechat_client_id", Kind::Text(500), "", "WeChat: number of the application"),
    secret("sign_in", "sign_in_wechat_client_secret", Kind::Text(500), "WeChat: secret of the application"),
    row("sign_in", "sign_in_feishu_client_id", Kind::Text(500), "", "Feishu: number of the application"),
    secret("sign_in", "sign_in_feishu_client_secret", Kind::Text(500), "Feishu: secret of the application"),
    row("sign_in", "sign_in_twitter_client_id", Kind::Text(500), "", "Twitter: number of the application"),
    secret("sign_in", "sign_in_twitter_client_secret", Kind::Text(500), "Twitter: secret of the application"),
    row("sign_in", "sign_in_facebook_client_id", Kind::Text(500), "", "Facebook: number of the application"),
    secret("sign_in", "sign_in_facebook_client_secret", Kind::Text(500), "Facebook: secret of the application"),
    row("sign_in", "sign_in_xiaohongshu_client_id", Kind::Text(500), "", "Xiaohongshu: number of the application"),
    secret("sign_in", "sign_in_xiaohongshu_client_secret", Kind::Text(500), "Xiaohongshu: secret of the application"),
    row(
        "sign_in",
        names::SIGN_IN_ADDRESSES,
        Kind::Json,
        "{}",
        "Addresses in place of the published ones, such as {\"github\": {\"authorize\": \"…\", \"token\": \"…\", \"profile\": \"…\", \"extra\": \"…\"}}",
    ),
    row(
        "log",
        names::USAGE_RETENTION_DAYS,
        Kind::Int(1, 3650),
        "180",
        "Days that single usage rows are kept (rollups stay)",
    ),
    row("log", names::LOG_SAMPLE_PERCENT, Kind::Int(0, 100), "100", "How many in a hundred requests are logged"),
    row("log", names::LOG_RETENTION_DAYS, Kind::Int(1, 3650), "30", "Days that request logs are kept"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_once() {
        let mut names = std::collections::HashSet::new();
        for definition in CATALOGUE {
            assert!(names.insert(definition.name), "{} is there twice", definition.name);
        }
    }
}
