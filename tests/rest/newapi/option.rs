//! Options that the settings pages write: each takes effect, or is refused in words.

use harness::at;
use harness::fake_upstream::{FakeUpstream, Vendor};
use schema::Micros;
use schema::service::setting::names;
use serde_json::{Map, Value, json};

use super::{Cast, cast, deployed, refused, told};

/// An option as the pages read it.
async fn option(c: &Cast, name: &str) -> String {
    let all = told(&deployed(&c.root).get("/api/option/").await);
    let found = all.as_array().and_then(|all| all.iter().find(|o| o["key"] == name)).cloned();
    found.unwrap_or_else(|| panic!("no option {name}"))["value"].as_str().expect("text").to_owned()
}

async fn table(c: &Cast, name: &str) -> Map<String, Value> {
    serde_json::from_str(&option(c, name).await).expect("a table")
}

async fn put(c: &Cast, name: &str, value: impl Into<Value>) -> harness::Answer {
    deployed(&c.root).call("PUT", "/api/option/", json!({ "key": name, "value": value.into() })).await
}

/// A table with another figure in it, as its page sends it.
async fn put_in(c: &Cast, name: &str, model: &str, figure: f64) {
    let mut table = table(c, name).await;
    table.insert(model.into(), figure.into());
    told(&put(c, name, Value::Object(table).to_string()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_written_as_ratios_are_what_calls_cost() {
    let c = cast().await;
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    let channel = json!({ "name": "c", "type": 1, "key": Vendor::OpenAi.key(), "base_url": fake.url(),
        "models": "gpt-4o,mine", "group": "default", "status": 1 });
    told(&c.admin.post("/api/channel", channel).await);
    assert_eq!(table(&c, "ModelRatio").await["gpt-4o"], json!(1.25));
    // What is so already changes no model.
    told(&put(&c, "ModelRatio", option(&c, "ModelRatio").await).await);
    put_in(&c, "ModelRatio", "gpt-4o", 50.0).await;
    put_in(&c, "CompletionRatio", "gpt-4o", 2.5).await;
    put_in(&c, "CacheRatio", "gpt-4o", 0.1).await;
    // A new model's tables come in any order.
    put_in(&c, "CompletionRatio", "mine", 3.0).await;
    put_in(&c, "ModelRatio", "mine", 0.5).await;
    let pricing = c.nobody.get("/api/pricing").await.json();
    let row = |name: &str| {
        let rows = pricing["data"].as_array().expect("rows");
        rows.iter().find(|row| row["model_name"] == name).cloned().unwrap_or_else(|| panic!("{name}: {pricing}"))
    };
    let known = row("gpt-4o");
    assert_eq!(
        (&known["model_ratio"], &known["completion_ratio"], &known["cache_ratio"]),
        (&json!(50.0), &json!(2.5), &json!(0.1))
    );
    assert_eq!((&row("mine")["model_ratio"], &row("mine")["completion_ratio"]), (&json!(0.5), &json!(3.0)));
    // The other faces tell the same price, and the call costs it.
    let model = c.nobody.get("/api/v1/models/gpt-4o").await.json();
    assert_eq!(at(&model, "data.model.pricing.usd.input_price"), &json!(100.0), "{model}");
    assert_eq!(at(&model, "data.model.pricing.usd.output_price"), &json!(250.0));
    let token = told(&c.ann.post("/api/token", json!({ "name": "t", "unlimited_quota": true })).await);
    let caller = c.nobody.bearer(token["key"].as_str().expect("a key"));
    let body =
        json!({ "model": "gpt-4o", "max_tokens": 50, "messages": [{ "role": "user", "content": "Say hello." }] });
    let said = caller.post("/v1/chat/completions", body).await;
    assert_eq!(said.status, 200, "{}", said.text);
    let usage = &said.json()["usage"];
    let count = |name: &str| usage[name].as_i64().expect("a count");
    let cached = usage["prompt_tokens_details"]["cached_tokens"].as_i64().unwrap_or(0);
    let cost = (count("prompt_tokens") - cached) * 100 + cached * 10 + count("completion_tokens") * 250;
    let mut user = Value::Null;
    for _ in 0..500 {
        schema::service::settle::flush(&c.app.app).await.expect("the journal is carried");
        user = told(&c.ann.get("/api/user/self").await);
        if user["request_count"] == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!((&user["request_count"], &user["used_quota"]), (&json!(1), &json!(Micros(cost).quota())), "{usage}");

    // By the call, and the vendor's price again.
    put_in(&c, "ModelPrice", "gpt-4o", 0.25).await;
    let pricing = c.nobody.get("/api/pricing").await.json();
    let rows = pricing["data"].as_array().expect("rows");
    let known = rows.iter().find(|row| row["model_name"] == "gpt-4o").expect("gpt-4o");
    assert_eq!((&known["quota_type"], &known["model_price"]), (&json!(1), &json!(0.25)));
    refused(&c.admin.post("/api/option/rest_model_ratio", Value::Null).await, 403, "an administrator");
    told(&c.root.post("/api/option/rest_model_ratio", Value::Null).await);
    assert_eq!(table(&c, "ModelRatio").await["gpt-4o"], json!(1.25));
    assert!(!table(&c, "ModelPrice").await.contains_key("gpt-4o"));
    assert!(!table(&c, "ModelRatio").await.contains_key("mine"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_make_no_sense_change_nothing() {
    let c = cast().await;
    let before = option(&c, "ModelRatio").await;
    for bad in ["", "[]", "{", "{\"gpt-4o\": -1}", "{\"gpt-4o\": \"much\"}", "{\"gpt-4o\": 1e300}", "{\" x\": 1}"] {
        refused(&put(&c, "ModelRatio", bad).await, 200, bad);
    }
    // All of one request, or nothing of it.
    let both = json!({ "SystemName": "Other", "ModelRatio": "{\"gpt-4o\": -1}" });
    refused(&c.root.call("PUT", "/api/option", both).await, 400, "half of it is wrong");
    let both = json!({ "ModelRatio": "{\"gpt-4o\": 2}", "nothing_at_all": "1" });
    refused(&c.root.call("PUT", "/api/option", both).await, 400, "the other half is wrong");
    assert_eq!(option(&c, "ModelRatio").await, before);
    assert_eq!(option(&c, "SystemName").await, "Tollgate");
    for (name, bad) in [
        ("GroupRatio", "{\"vip\": \"much\"}"),
        ("GroupRatio", "{\"vip\": -1}"),
        ("GroupRatio", "[1]"),
        ("UserUsableGroups", "[]"),
        ("AutoGroups", "{}"),
    ] {
        refused(&put(&c, name, bad).await, 200, &format!("{name} {bad}"));
    }
    told(&put(&c, "GroupRatio", "{\"default\":1,\"vip\":0.5}").await);
    told(&put(&c, "UserUsableGroups", "{\"default\":\"Default\",\"vip\":\"VIP\"}").await);
    let groups = told(&c.ann.get("/api/user/self/groups").await);
    assert_eq!(at(&groups, "vip.ratio"), &json!(0.5), "{groups}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sensitive_words_are_settings_of_everybodys() {
    let c = cast().await;
    for (name, value, setting) in [
        ("SensitiveWords", "秘密\nnext line", names::FORBIDDEN_WORDS),
        ("CheckSensitiveEnabled", "true", names::FORBIDDEN_WORDS_CHECKED),
        ("ModelRequestRateLimitSuccessCount", "7", names::CALLS_SERVED_LIMIT),
    ] {
        told(&put(&c, name, value).await);
        assert_eq!(option(&c, name).await, value);
        assert_eq!(schema::service::setting::current(&c.app.app).text(setting), value, "{name}");
    }
    refused(&put(&c, "CheckSensitiveEnabled", "perhaps").await, 400, "a switch");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pages_show_is_told_by_the_status() {
    let c = cast().await;
    for (name, value, place, shown) in [
        ("DisplayInCurrencyEnabled", "false", "display_in_currency", json!(false)),
        ("DrawingEnabled", "false", "enable_drawing", json!(false)),
        ("TaskEnabled", "false", "enable_task", json!(false)),
        ("DataExportEnabled", "false", "enable_data_export", json!(false)),
        ("DataExportDefaultTime", "week", "data_export_default_time", json!("week")),
        ("DefaultCollapseSidebar", "true", "default_collapse_sidebar", json!(true)),
        ("general_setting.docs_link", "https://docs.example", "docs_link", json!("https://docs.example")),
    ] {
        assert_ne!(told(&c.nobody.get("/api/status").await)[place], shown, "{name}");
        told(&put(&c, name, value).await);
        assert_eq!(option(&c, name).await, value);
        assert_eq!(told(&c.nobody.get("/api/status").await)[place], shown, "{name}");
    }
    refused(&put(&c, "DataExportDefaultTime", "year").await, 400, "no step");
    // Pictures get finished whatever is switched, so the page of pictures need not warn.
    assert_eq!(told(&c.nobody.get("/api/status").await)["mj_notify_enabled"], json!(true));
    assert_eq!(option(&c, "MjNotifyEnabled").await, "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn ways_to_sign_in_are_on_where_the_status_says_so() {
    let c = cast().await;
    let status = async |word: &str| told(&c.nobody.get("/api/status").await)[word].clone();
    let is_on = async |name: &str, word: &str| {
        let (shown, told) = (option(&c, name).await, status(word).await);
        assert_eq!(json!(shown), json!(told.to_string()), "{name}");
        told == json!(true)
    };
    let ways = [
        (
            "GitHubOAuthEnabled",
            "github_oauth",
            "无法启用 GitHub OAuth，请先填入 GitHub Client Id 以及 GitHub Client Secret！",
        ),
        ("oidc.enabled", "oidc_enabled", "无法启用 OIDC 登录，请先填入 OIDC Client Id 以及 OIDC Client Secret！"),
        (
            "LinuxDOOAuthEnabled",
            "linuxdo_oauth",
            "无法启用 LinuxDO OAuth，请先填入 LinuxDO Client Id 以及 LinuxDO Client Secret！",
        ),
        ("WeChatAuthEnabled", "wechat_login", "无法启用微信登录，请先填入微信登录相关配置信息！"),
        ("TelegramOAuthEnabled", "telegram_oauth", "无法启用 Telegram OAuth，请先填入 Telegram Bot Token！"),
    ];
    for (name, word, sentence) in ways {
        assert!(!is_on(name, word).await, "{name} is not set up");
        let no = put(&c, name, "true").await;
        refused(&no, 200, name);
        assert_eq!(no.json()["message"], json!(sentence));
        assert!(!is_on(name, word).await, "{name}");
    }
    assert!(!is_on("TurnstileCheckEnabled", "turnstile_check").await);
    assert!(!is_on("EmailVerificationEnabled", "email_verification").await);
    for (name, value) in [("GitHubClientId", "the-app"), ("GitHubClientSecret", "hush")] {
        told(&put(&c, name, value).await);
    }
    for on in ["true", "false", "true"] {
        told(&put(&c, "GitHubOAuthEnabled", on).await);
        assert_eq!(is_on("GitHubOAuthEnabled", "github_oauth").await.to_string(), on);
    }
    // What a way needs may come together with its switch.
    let all = json!({ "LinuxDOOAuthEnabled": "true", "LinuxDOClientId": "the-app", "LinuxDOClientSecret": "hush" });
    told(&c.root.call("PUT", "/api/option", all).await);
    assert!(is_on("LinuxDOOAuthEnabled", "linuxdo_oauth").await);
    // Off before it is set up is off after it.
    for (name, value) in [("TelegramOAuthEnabled", "false"), ("TelegramBotName", "bot"), ("TelegramBotToken", "1:x")] {
        told(&put(&c, name, value).await);
    }
    assert!(!is_on("TelegramOAuthEnabled", "telegram_oauth").await);
    told(&put(&c, "TelegramOAuthEnabled", "true").await);
    assert!(is_on("TelegramOAuthEnabled", "telegram_oauth").await);

    told(&put(&c, "EmailDomainWhitelist", "").await);
    let no = put(&c, "EmailDomainRestrictionEnabled", "true").await;
    refused(&no, 200, "no domain");
    assert_eq!(no.json()["message"], json!("无法启用邮箱域名限制，请先填入限制的邮箱域名！"));
    told(&put(&c, "EmailDomainWhitelist", "a.example").await);
    told(&put(&c, "EmailDomainRestrictionEnabled", "true").await);
    assert_eq!(option(&c, "EmailDomainRestrictionEnabled").await, "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_may_be_shut_out_of_registration_alone() {
    let c = cast().await;
    told(&put(&c, "PasswordRegisterEnabled", "false").await);
    let status = told(&c.nobody.get("/api/status").await);
    assert_eq!((&status["password_register_enabled"], &status["register_enabled"]), (&json!(false), &json!(true)));
    let form = json!({ "username": "newcomer", "password": "newcomer-1234" });
    let no = deployed(&c.nobody).post("/api/user/register", form.clone()).await;
    refused(&no, 200, "a password");
    told(&put(&c, "PasswordRegisterEnabled", "true").await);
    told(&c.nobody.post("/api/user/register", form).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_changed_says_why_and_takes_what_it_is() {
    let c = cast().await;
    // Pages that look for the sentence find it in the body of a 200; the others hear nothing but a status.
    for (name, other, status) in [
        ("CheckSensitiveOnPromptEnabled", "false", 400),
        ("StopOnSensitiveEnabled", "true", 400),
        ("LogConsumeEnabled", "false", 400),
        ("GroupGroupRatio", "{\"a\":{}}", 200),
        ("MjNotifyEnabled", "false", 400),
        ("gemini.safety_settings", "x", 400),
        ("ServerAddress", "https://example.com", 200),
        ("TurnstileCheckEnabled", "true", 200),
    ] {
        let now = option(&c, name).await;
        told(&put(&c, name, now.as_str()).await);
        let no = put(&c, name, other).await;
        refused(&no, status, name);
        assert!(no.text.contains(name) && no.text.contains("不能修改"), "{}", no.text);
        assert_eq!(option(&c, name).await, now, "{name}");
    }
    // A switch and a number over one setting.
    let silence = ("general_setting.ping_interval_enabled", "general_setting.ping_interval_seconds");
    assert_eq!((option(&c, silence.0).await.as_str(), option(&c, silence.1).await.as_str()), ("true", "15"));
    told(&put(&c, silence.1, "30").await);
    told(&put(&c, silence.0, "true").await);
    assert_eq!(option(&c, silence.1).await, "30", "on already");
    told(&put(&c, silence.0, "false").await);
    assert_eq!(option(&c, silence.1).await, "0");
    refused(&put(&c, silence.0, "perhaps").await, 400, "no switch");
    // Who may not at all is told as ever.
    let no =
        deployed(&c.admin).call("PUT", "/api/option/", json!({ "key": "LogConsumeEnabled", "value": "true" })).await;
    refused(&no, 200, "an administrator");
}
