//! Signing in and binding through other systems, as this system's pages go about it.

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::routing::get;
use axum::{Json, Router};
use harness::{Answer, Client, PASSWORD, TestApp, at};
use schema::{Micros, Role};
use serde_json::{Value, json};

use super::{deployed, refused, sign_in, told};
use crate::oauth::{provider, set_up};

/// A product whose pages may ask as often as these tests do.
async fn open() -> TestApp {
    let app = TestApp::new().await;
    set(&app, &[("newapi_login_limit", "1000")]).await;
    app
}

async fn set(app: &TestApp, changes: &[(&str, &str)]) {
    let changes = changes.iter().map(|(n, v)| ((*n).to_owned(), Some((*v).to_owned()))).collect();
    schema::service::setting::put(&app.app, &app.system(), &changes).await.expect("settings");
}

fn crumb(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap_or("").to_owned()
}

/// A state, and the browser that has it.
async fn begin(client: &Client, invitation: &str) -> (String, Client) {
    let begun = client.get(&format!("/api/oauth/state?aff={invitation}")).await;
    let state = told(&begun).as_str().expect("a state").to_owned();
    let cookie = begun.header("set-cookie").to_owned();
    for part in ["oauth_state=", "Path=/api/oauth;", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    (state, client.with("cookie", &crumb(&begun)))
}

async fn trip(client: &Client, name: &str, code: &str) -> Answer {
    let (state, browser) = begin(client, "").await;
    browser.get(&format!("/api/oauth/{name}?code={code}&state={state}")).await
}

/// Whoever an answer let in.
fn inside(app: &TestApp, answer: &Answer) -> Client {
    let id = at(&told(answer), "id").to_string();
    let lines = answer.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok());
    let session = lines.filter_map(|line| line.split(';').next()).find(|crumb| crumb.starts_with("session="));
    app.anonymous().with("cookie", session.expect("a session")).with("new-api-user", &id)
}

async fn me(client: &Client) -> Value {
    told(&client.get("/api/user/self").await)
}

fn says(answer: &Answer, status: u16, words: &str) {
    refused(answer, status, words);
    assert!(answer.text.contains(words), "{words}: {}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_come_in_by_systems_that_are_set_up() {
    let app = open().await;
    let nobody = app.anonymous();
    let status = told(&nobody.get("/api/status").await);
    for word in ["github_oauth", "oidc_enabled", "linuxdo_oauth", "telegram_oauth", "wechat_login"] {
        assert_eq!(status[word], json!(false), "{word}");
    }
    says(&trip(&nobody, "github", "good").await, 200, "管理员未开启通过 GitHub 登录以及注册");
    says(&trip(&nobody, "linuxdo", "good").await, 200, "管理员未开启通过 Linux DO 登录以及注册");

    let (url, seen) = provider().await;
    set_up(&app, &url).await;
    let status = told(&nobody.get("/api/status").await);
    assert_eq!((&status["github_oauth"], &status["github_client_id"]), (&json!(true), &json!("the-app")));
    assert_eq!(status["oidc_authorization_endpoint"], json!(format!("{url}/authorize")));
    assert_eq!((&status["oidc_enabled"], &status["linuxdo_oauth"]), (&json!(true), &json!(true)));

    let entered = trip(&nobody, "github", "good").await;
    let row = told(&entered);
    assert_eq!((&row["role"], &row["status"], &row["group"]), (&json!(1), &json!(1), &json!("default")));
    let ann = me(&inside(&app, &entered)).await;
    assert_eq!((&ann["github_id"], &ann["email"]), (&json!("42"), &json!("ann@other.example")));
    assert!(seen.get("code_verifier").is_empty(), "the page proved nothing at the beginning");
    let again = trip(&nobody, "github", "good").await;
    assert_eq!(told(&again)["id"], row["id"], "the same person comes back");
    // Both vouch for the address, so it is one person; and each is told how it is asked.
    assert_eq!(told(&trip(&nobody, "oidc", "good").await)["id"], row["id"]);
    assert_eq!(seen.get("redirect_uri"), format!("{}/oauth/oidc", app.app.config.public_url()));
    let other = trip(&nobody, "linuxdo", "good").await;
    assert_ne!(told(&other)["id"], row["id"]);
    assert_eq!(me(&inside(&app, &other)).await["linux_do_id"], json!("42"));
    assert!(seen.get("authorization").starts_with("Basic "), "{}", seen.get("authorization"));

    // A session that has ended keeps nobody out.
    let stale = nobody.with("cookie", "session=gone").with("new-api-user", "-1");
    assert_eq!(told(&trip(&stale, "github", "good").await)["id"], row["id"]);
    set(&app, &[("sign_in_github_enabled", "false")]).await;
    says(&trip(&nobody, "github", "good").await, 200, "管理员未开启");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_of_one_browser_and_serves_once() {
    let app = open().await;
    let nobody = app.anonymous();
    let (url, _) = provider().await;
    set_up(&app, &url).await;
    let same = "state is empty or not same";
    let (state, browser) = begin(&nobody, "").await;
    let path = format!("/api/oauth/github?code=good&state={state}");
    says(&nobody.get(&path).await, 403, same);
    says(&browser.get("/api/oauth/github?code=good&state=other").await, 403, same);
    says(&browser.get("/api/oauth/github?code=good").await, 403, same);
    says(&browser.get("/api/oauth/github?error=access_denied").await, 200, "GitHub 未授权此次登录");
    told(&browser.get(&path).await);
    says(&browser.get(&path).await, 403, same);
    says(&deployed(&browser).get(&path).await, 200, same);
    says(&trip(&nobody, "github", "bad").await, 200, "无法连接至 GitHub 服务器，请稍后重试！");
    // The engine's own round trips are not these.
    let (state, browser) = begin(&nobody, "").await;
    let crossed = browser.get(&format!("/api/v1/auth/oauth/google/callback?code=good&state={state}")).await;
    assert_eq!(crossed.status, 400, "{}", crossed.text);

    set(&app, &[("registration_enabled", "false")]).await;
    says(&trip(&nobody, "linuxdo", "good").await, 200, "管理员关闭了新用户注册");
    let root = sign_in(&app, "admin", harness::app::ADMIN_PASSWORD).await;
    let id = told(&trip(&nobody, "github", "good").await)["id"].clone();
    told(&root.call("PUT", "/api/user", json!({ "id": id, "status": 2 })).await);
    says(&trip(&nobody, "github", "good").await, 200, "用户已被封禁");
    set(&app, &[("newapi_login_limit", "3")]).await;
    assert_eq!(nobody.get("/api/oauth/state").await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_signed_in_binds() {
    let app = open().await;
    let nobody = app.anonymous();
    let (url, _) = provider().await;
    set_up(&app, &url).await;
    let ann = app.person("ann", Role::User, Micros::ZERO).await;
    app.person("bob", Role::User, Micros::ZERO).await;
    let (anns, bobs) = (sign_in(&app, "ann", PASSWORD).await, sign_in(&app, "bob", PASSWORD).await);
    let bound = trip(&anns, "github", "good").await;
    told(&bound);
    assert_eq!(bound.json()["message"], json!("bind"));
    assert_eq!(me(&anns).await["github_id"], json!("42"));
    told(&trip(&anns, "github", "good").await);
    assert_eq!(told(&trip(&nobody, "github", "good").await)["id"], json!(ann.id), "and comes in by it");
    says(&trip(&bobs, "github", "good").await, 200, "该 GitHub 账户已被绑定");
    assert_eq!(me(&bobs).await["github_id"], json!(""));
    // What ann began is nobody else's to end.
    let begun = anns.get("/api/oauth/state").await;
    let state = told(&begun).as_str().expect("a state").to_owned();
    let path = format!("/api/oauth/linuxdo?code=good&state={state}");
    says(&bobs.with("cookie", &crumb(&begun)).get(&path).await, 403, "state is empty or not same");
    let whole = told(&sign_in(&app, "admin", harness::app::ADMIN_PASSWORD).await.get("/api/user/1").await);
    assert_eq!(whole["github_id"], json!(""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_counts_however_somebody_comes() {
    let app = open().await;
    let nobody = app.anonymous();
    let (url, _) = provider().await;
    set_up(&app, &url).await;
    let root = sign_in(&app, "admin", harness::app::ADMIN_PASSWORD).await;
    for (key, value) in [("QuotaForInviter", "500000"), ("QuotaForInvitee", "1000"), ("QuotaForNewUser", "10")] {
        told(&root.call("PUT", "/api/option/", json!({ "key": key, "value": value })).await);
    }
    refused(&root.call("PUT", "/api/option/", json!({ "key": "QuotaForInviter", "value": "-1" })).await, 400, "less");
    app.person("ann", Role::User, Micros::ZERO).await;
    let ann = sign_in(&app, "ann", PASSWORD).await;
    let code = told(&ann.get("/api/user/aff").await).as_str().expect("a code").to_owned();
    let form = json!({ "username": "first", "password": PASSWORD, "aff_code": code });
    told(&nobody.post("/api/user/register", form).await);
    assert_eq!(me(&sign_in(&app, "first", PASSWORD).await).await["quota"], json!(1_010));
    let (state, browser) = begin(&nobody, &code).await;
    let second = browser.get(&format!("/api/oauth/linuxdo?code=good&state={state}")).await;
    let second = me(&inside(&app, &second)).await;
    let anns = me(&ann).await;
    assert_eq!((&second["quota"], &second["inviter_id"]), (&json!(1_010), &anns["id"]));
    assert_eq!((&anns["quota"], &anns["aff_count"]), (&json!(1_000_000), &json!(2)));
    assert_eq!((&anns["aff_history_quota"], &anns["aff_quota"]), (&json!(1_000_000), &json!(0)));
    // They come back without being rewarded again.
    let (state, browser) = begin(&nobody, &code).await;
    told(&browser.get(&format!("/api/oauth/linuxdo?code=good&state={state}")).await);
    assert_eq!(me(&ann).await["quota"], json!(1_000_000));
}

const TOKEN: &str = "12345:telegram-token";

/// What Telegram's button brings: its fields, signed.
fn signed(id: &str, at_seconds: i64) -> String {
    let fields = BTreeMap::from([
        ("auth_date", at_seconds.to_string()),
        ("first_name", "Ann".to_owned()),
        ("id", id.to_owned()),
        ("username", "ann_t".to_owned()),
    ]);
    let lines: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let secret = ring::digest::digest(&ring::digest::SHA256, TOKEN.as_bytes());
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_ref());
    let hash = schema::id::hex(ring::hmac::sign(&key, lines.join("\n").as_bytes()).as_ref());
    format!("{}&hash={hash}", lines.join("&"))
}

#[tokio::test(flavor = "multi_thread")]
async fn telegrams_button_lets_in_and_binds() {
    let app = open().await;
    let nobody = app.anonymous();
    let now = app.app.clock.now().seconds();
    let path = |query: &str| format!("/api/oauth/telegram/login?{query}");
    says(&nobody.get(&path(&signed("7", now))).await, 200, "管理员未开启通过 Telegram 登录以及注册");
    let root = sign_in(&app, "admin", harness::app::ADMIN_PASSWORD).await;
    for (key, value) in [("TelegramBotName", "the_bot"), ("TelegramBotToken", TOKEN), ("TelegramOAuthEnabled", "true")]
    {
        told(&root.call("PUT", "/api/option/", json!({ "key": key, "value": value })).await);
    }
    assert!(!root.get("/api/option/").await.text.contains(TOKEN));
    let status = told(&nobody.get("/api/status").await);
    assert_eq!((&status["telegram_oauth"], &status["telegram_bot_name"]), (&json!(true), &json!("the_bot")));
    let first = signed("7", now);
    says(&nobody.get(&path(&first.replace("id=7", "id=8"))).await, 200, "无效的请求");
    says(&nobody.get(&path("id=7")).await, 200, "无效的请求");
    says(&nobody.get(&path(&signed("7", now - 3_600))).await, 200, "无效的请求");
    let entered = nobody.get(&path(&first)).await;
    assert_eq!(me(&inside(&app, &entered)).await["telegram_id"], json!("7"));
    says(&nobody.get(&path(&first)).await, 200, "无效的请求");
    // Nor does the same word serve again in other letters.
    let (fields, hash) = first.rsplit_once('=').expect("a hash");
    says(&nobody.get(&path(&format!("{fields}={}", hash.to_uppercase()))).await, 200, "无效的请求");

    app.person("bob", Role::User, Micros::ZERO).await;
    let bob = sign_in(&app, "bob", PASSWORD).await;
    let bind = |id: &str| format!("/api/oauth/telegram/bind?{}", signed(id, now - 1));
    says(&bob.get(&bind("7")).await, 200, "该 Telegram 账户已被绑定");
    let sent = bob.get(&bind("9")).await;
    assert_eq!((sent.status.as_u16(), sent.header("location").ends_with("/console/personal")), (302, true));
    assert_eq!(me(&bob).await["telegram_id"], json!("9"));
    refused(&nobody.get(&bind("10")).await, 401, "a stranger");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_official_accounts_code_lets_in_and_binds() {
    let app = open().await;
    let nobody = app.anonymous();
    says(&nobody.get("/api/oauth/wechat?code=111").await, 200, "管理员未开启通过微信登录以及注册");
    let knows = |headers: http::HeaderMap, Query(asked): Query<BTreeMap<String, String>>| async move {
        let right = headers.get("authorization").is_some_and(|token| token == "wechat-token");
        let who = asked.get("code").filter(|code| right && code.len() == 3).cloned().unwrap_or_default();
        Json(json!({ "success": !who.is_empty(), "message": "", "data": who }))
    };
    let router = Router::new().route("/api/wechat/user", get(knows));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let root = sign_in(&app, "admin", harness::app::ADMIN_PASSWORD).await;
    for (key, value) in [
        ("WeChatServerAddress", url.as_str()),
        ("WeChatServerToken", "wechat-token"),
        ("WeChatAccountQRCodeImageURL", "https://example.com/code.png"),
    ] {
        told(&root.call("PUT", "/api/option/", json!({ "key": key, "value": value })).await);
    }
    let status = told(&nobody.get("/api/status").await);
    assert_eq!(
        (&status["wechat_login"], &status["wechat_qrcode"]),
        (&json!(true), &json!("https://example.com/code.png"))
    );
    says(&nobody.get("/api/oauth/wechat?code=").await, 200, "验证码错误或已过期");
    says(&nobody.get("/api/oauth/wechat?code=1234").await, 200, "验证码错误或已过期");
    let entered = nobody.get("/api/oauth/wechat?code=111").await;
    assert_eq!(me(&inside(&app, &entered)).await["wechat_id"], json!("111"));
    app.person("bob", Role::User, Micros::ZERO).await;
    let bob = sign_in(&app, "bob", PASSWORD).await;
    says(&bob.get("/api/oauth/wechat/bind?code=111").await, 200, "该微信账户已被绑定");
    told(&bob.get("/api/oauth/wechat/bind?code=222").await);
    assert_eq!(me(&bob).await["wechat_id"], json!("222"));
    set(&app, &[("sign_in_wechat_account_server", "http://127.0.0.1:1")]).await;
    says(&nobody.get("/api/oauth/wechat?code=111").await, 200, "无法连接至微信服务器");
}
