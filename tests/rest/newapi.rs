//! newapi over HTTP: its envelope and numbers, its two shapes, its refusals, and what its pages ask for.

mod channel;
mod code;
mod forms;
mod lists;
mod log;
mod mail;
mod oauth;
mod option;
mod pace;
mod pages;
mod panel;
mod people;
mod price;
mod task;
mod token;
mod topup;
mod unit;

use harness::app::ADMIN_PASSWORD;
use harness::{Answer, Client, PASSWORD, TestApp, at};
use rest::dialect::newapi::TABLE;
use schema::{Micros, Role};
use serde_json::{Value, json};

/// Somebody signed in by cookie through this system's own door.
pub async fn sign_in(app: &TestApp, name: &str, password: &str) -> Client {
    let form = json!({ "username": name, "password": password });
    let answer = app.anonymous().post("/api/user/login", form).await;
    let id = at(&answer.json(), "data.id").as_i64().unwrap_or_else(|| panic!("{name} signs in: {}", answer.text));
    let cookie = answer.header("set-cookie").split(';').next().unwrap_or("").to_owned();
    app.anonymous().with("cookie", &cookie).with("new-api-user", &id.to_string())
}

/// Somebody of every role.
pub struct Cast {
    pub app: TestApp,
    pub root: Client,
    pub admin: Client,
    pub ann: Client,
    pub nobody: Client,
}

pub async fn cast() -> Cast {
    let app = TestApp::new().await;
    app.person("ada", Role::Admin, Micros::ZERO).await;
    app.person("ann", Role::User, Micros(10_000_000)).await;
    let root = sign_in(&app, "admin", ADMIN_PASSWORD).await;
    let admin = sign_in(&app, "ada", PASSWORD).await;
    let ann = sign_in(&app, "ann", PASSWORD).await;
    let nobody = app.anonymous();
    Cast { app, root, admin, ann, nobody }
}

/// As this system's own front ends ask.
pub fn deployed(client: &Client) -> Client {
    client.with("cache-control", "no-store")
}

pub fn refused(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.text);
    let body = answer.json();
    assert_eq!(body["success"], json!(false), "{what}: {body}");
    assert!(body["message"].as_str().is_some_and(|m| !m.is_empty()), "{what}: {body}");
}

pub fn told(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["success"], json!(true), "{body}");
    assert!(body["message"].is_string(), "{body}");
    body["data"].clone()
}

/// The weakest role that may, by the table's path; `None` is anybody.
fn needed(method: &str, path: &str) -> Option<Role> {
    let path = path.trim_end_matches('/');
    let open = [
        "/api/status",
        "/api/about",
        "/api/notice",
        "/api/home_page_content",
        "/api/setup",
        "/api/pricing",
        "/api/uptime/status",
        "/api/user/register",
        "/api/user/login",
        "/api/user/logout",
        "/api/user/groups",
        "/api/user/reset",
        "/api/user/epay/notify",
        "/api/verification",
        "/api/reset_password",
        "/api/log/token",
        "/api/oauth/state",
        "/api/oauth/github",
        "/api/oauth/oidc",
        "/api/oauth/linuxdo",
        "/api/oauth/wechat",
        "/api/oauth/telegram/login",
    ];
    let own = [
        "/api/user/self",
        "/api/user/token",
        "/api/user/models",
        "/api/user/self/groups",
        "/api/user/aff",
        "/api/user/aff_transfer",
        "/api/user/setting",
        "/api/user/topup",
        "/api/user/topup/info",
        "/api/user/topup/self",
        "/api/user/amount",
        "/api/user/pay",
        "/api/oauth/email/bind",
        "/api/oauth/wechat/bind",
        "/api/oauth/telegram/bind",
        "/api/models",
        "/api/log/self",
        "/api/log/self/stat",
        "/api/log/self/search",
        "/api/data/self",
        "/api/task/self",
        "/api/mj/self",
        "/pg/chat/completions",
    ];
    if open.contains(&path) {
        return None;
    }
    if own.contains(&path) || path.starts_with("/api/token") {
        return Some(Role::User);
    }
    let root =
        path.starts_with("/api/option") || path.starts_with("/api/ratio_") || (method, path) == ("DELETE", "/api/log");
    Some(if root { Role::SuperAdmin } else { Role::Admin })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_refuses_strangers_and_weaker_roles() {
    let c = cast().await;
    // One body that every form accepts, so that what refuses is the role.
    let body = json!({ "id": 1, "action": "enable", "ids": [1], "tag": "t", "type": 1, "key": "k", "quota": 1,
        "name": "n", "username": "somebody", "password": "long-enough" });
    let headless = Client::new(&c.app.url, Some("x"));
    for row in TABLE {
        let Some(role) = needed(row.method, row.path) else { continue };
        let path = row.path.replace("{id}", "1");
        let body = if row.method == "GET" { Value::Null } else { body.clone() };
        let what = format!("{} {path}", row.method);
        refused(&c.nobody.call(row.method, &path, body.clone()).await, 401, &what);
        refused(&headless.call(row.method, &path, body.clone()).await, 401, &what);
        let status = if path.ends_with('/') { 200 } else { 403 };
        if role > Role::User {
            refused(&c.ann.call(row.method, &path, body.clone()).await, status, &what);
        }
        if role > Role::Admin {
            refused(&c.admin.call(row.method, &path, body).await, status, &what);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_names_another_user_is_refused() {
    let c = cast().await;
    let token = told(&c.ann.get("/api/user/token").await);
    let token = token.as_str().expect("a token");
    assert_eq!(token.len(), 32);
    let me = told(&c.ann.get("/api/user/self").await);
    let id = me["id"].to_string();
    let by_token = c.nobody.bearer(token);
    refused(&by_token.get("/api/user/self").await, 401, "no New-Api-User");
    refused(&by_token.with("new-api-user", "1").get("/api/user/self").await, 401, "somebody else's number");
    refused(&by_token.with("new-api-user", "ann").get("/api/user/self").await, 401, "no number");
    assert_eq!(told(&by_token.with("new-api-user", &id).get("/api/user/self").await)["username"], json!("ann"));
    // A new token ends the old one.
    told(&c.ann.get("/api/user/token").await);
    refused(&by_token.with("new-api-user", &id).get("/api/user/self").await, 401, "the old token");
    // Signing out ends the cookie.
    told(&c.ann.get("/api/user/logout").await);
    refused(&c.ann.get("/api/user/self").await, 401, "after signing out");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_fit_and_paths_nobody_has_are_refused_in_this_systems_words() {
    let c = cast().await;
    for row in TABLE.iter().filter(|r| matches!(r.method, "POST" | "PUT") && !r.path.ends_with('/')) {
        // These take no body.
        if ["/api/channel/fix", "/api/channel/copy/{id}", "/api/option/rest_model_ratio"].contains(&row.path) {
            continue;
        }
        let path = row.path.replace("{id}", "1");
        for body in ["{\"id\":", " \n"] {
            let request = c.root.request(row.method.parse().expect("a method"), &path);
            let answer = c.root.send(request.header("content-type", "application/json").body(body)).await;
            refused(&answer, 400, &format!("{} {path} with the body {body:?}", row.method));
        }
        let answer = c.root.call(row.method, &path, json!([1])).await;
        refused(&answer, 400, &format!("{} {path} with a list", row.method));
    }
    refused(&c.root.get("/api/nothing/at/all").await, 404, "an unknown path");
    refused(&c.root.get("/api/userish").await, 404, "a longer word");
    refused(&c.root.call("PATCH", "/api/user/self", json!({})).await, 405, "a wrong method");
    refused(&c.root.post("/api/status", json!({})).await, 405, "a wrong method");
    // The relay's wildcard covers every path of management: a known one stays management's whatever the method,
    // an unknown one is the relay's for whoever shows a key.
    let keyed = c.nobody.with("x-api-key", "claude-relay-0000000000000000");
    refused(&keyed.post("/api/status", json!({})).await, 405, "a wrong method with a key");
    let relayed = keyed.post("/api/nothing/at/all", json!({})).await;
    assert_eq!((relayed.status.as_u16(), &relayed.json()["error"]), (401, &json!("Invalid API key")));
    let relayed = c.nobody.post("/api/messages", json!({})).await;
    assert_eq!(relayed.status, 401, "{}", relayed.text);
    assert!(relayed.json().get("success").is_none(), "the relay's own words: {}", relayed.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_nobody_has_are_not_found() {
    let c = cast().await;
    for row in TABLE.iter().filter(|r| r.path.contains("{id}") && !r.path.ends_with('/')) {
        let path = row.path.replace("{id}", "987654");
        let body = if row.method == "GET" { Value::Null } else { json!({}) };
        refused(&c.root.call(row.method, &path, body.clone()).await, 404, &format!("{} {path}", row.method));
        let path = row.path.replace("{id}", "abc");
        refused(&c.root.call(row.method, &path, body).await, 400, &format!("{} {path}", row.method));
    }
    for path in ["/api/token", "/api/channel", "/api/user", "/api/redemption"] {
        let form = json!({ "id": 987_654, "name": "n" });
        refused(&c.root.call("PUT", path, form).await, 404, path);
    }
    // The deployed system's front ends read the body of a 200.
    refused(&deployed(&c.root).get("/api/channel/987654").await, 200, "as deployed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_system_says_of_itself_has_two_shapes() {
    let c = cast().await;
    let pages = json!({ "system_name": "New API", "notice": "n", "About": "# a", "HomePageContent": "h" });
    told(&c.root.call("PUT", "/api/option", pages).await);
    let status = told(&c.nobody.get("/api/status").await);
    assert_eq!((&status["system_name"], &status["setup"]), (&json!("New API"), &json!(true)));
    assert!(status["start_time"].is_i64() && status["version"].as_str().is_some_and(|v| v.starts_with('v')));
    assert_eq!(status["quota_per_unit"], json!(500_000));
    assert_eq!(told(&c.nobody.get("/api/notice").await), json!("n"));
    assert_eq!(told(&c.nobody.get("/api/about").await)["system_name"], json!("New API"));
    assert_eq!(told(&deployed(&c.nobody).get("/api/about").await), json!("# a"));
    assert_eq!(told(&c.nobody.get("/api/home_page_content").await), json!({ "content": "h" }));
    assert_eq!(told(&deployed(&c.nobody).get("/api/home_page_content").await), json!("h"));
    assert_eq!(told(&c.nobody.get("/api/setup").await)["status"], json!(true));
    assert_eq!(told(&c.nobody.get("/api/user/groups").await), json!(["default"]));
    assert_eq!(told(&deployed(&c.nobody).get("/api/user/groups").await)["default"]["ratio"], json!(1.0));
    assert_eq!(told(&c.nobody.get("/api/uptime/status").await), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn options_are_put_one_by_one_or_together_and_all_or_none() {
    let c = cast().await;
    told(&c.root.call("PUT", "/api/option/", json!({ "key": "SystemName", "value": "One" })).await);
    let map = told(&c.root.get("/api/option").await);
    assert_eq!((&map["system_name"], &map["site_name"]), (&json!("One"), &json!("One")));
    let list = told(&c.root.get("/api/option/").await);
    let list = list.as_array().cloned().unwrap_or_default();
    assert!(list.contains(&json!({ "key": "SystemName", "value": "One" })), "{list:?}");
    assert!(list.iter().all(|o| o["key"].is_string() && o["value"].is_string()), "{list:?}");
    told(&c.root.call("PUT", "/api/option", json!({ "system_name": "Two", "logo": "/new-logo.png" })).await);
    let bad = json!({ "system_name": "Three", "nothing_at_all": "1" });
    refused(&c.root.call("PUT", "/api/option", bad).await, 400, "one unknown name");
    let map = told(&c.root.get("/api/option").await);
    assert_eq!((&map["system_name"], &map["logo"]), (&json!("Two"), &json!("/new-logo.png")), "all or none");
    let secret = [("sign_in_github_client_secret".to_owned(), Some("a-secret-of-theirs".to_owned()))].into();
    schema::service::setting::put(&c.app.app, &c.app.system(), &secret).await.expect("set");
    for path in ["/api/option", "/api/option/"] {
        assert!(!c.root.get(path).await.text.contains("a-secret-of-theirs"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_serve_so_many_people_and_each_once() {
    let c = cast().await;
    let form = json!({ "name": "活动兑换码", "quota": 500_000, "count": 2 });
    let made = told(&c.admin.post("/api/redemption", form).await);
    let code = made["key"].as_str().expect("a code").to_owned();
    let list = told(&c.admin.get("/api/redemption").await);
    assert_eq!((&list[0]["count"], &list[0]["used_count"], &list[0]["status"]), (&json!(2), &json!(0), &json!(1)));
    let before = told(&c.ann.get("/api/user/self").await)["quota"].as_i64().unwrap_or(0);
    assert_eq!(told(&c.ann.post("/api/user/topup", json!({ "key": code })).await), json!(500_000));
    let after = told(&c.ann.get("/api/user/self").await)["quota"].as_i64().unwrap_or(0);
    assert_eq!(after - before, 500_000);
    let again = c.ann.post("/api/user/topup", json!({ "key": code })).await;
    assert_eq!(again.json()["success"], json!(false), "the same person twice: {}", again.text);
    told(&c.admin.post("/api/user/topup", json!({ "key": code })).await);
    let third = c.root.post("/api/user/topup", json!({ "key": code })).await;
    assert_eq!(third.json()["success"], json!(false), "used up: {}", third.text);
    let id = made["id"].as_i64().expect("an id");
    let one = told(&c.admin.get(&format!("/api/redemption/{id}")).await);
    assert_eq!((&one["used_count"], &one["status"]), (&json!(2), &json!(3)));

    // Front ends of the deployed system mean by count how many codes.
    let form = json!({ "name": "n", "quota": 1, "count": 3 });
    let codes = told(&deployed(&c.admin).post("/api/redemption/", form).await);
    assert_eq!(codes.as_array().map(Vec::len), Some(3));
    let page = told(&deployed(&c.admin).get("/api/redemption/?p=1&page_size=2").await);
    assert_eq!((&page["total"], page["items"].as_array().map(Vec::len)), (&json!(4), Some(2)));
    let id = at(&page, "items.0.id").as_i64().expect("an id");
    let off = told(&c.admin.call("PUT", "/api/redemption", json!({ "id": id, "status": 2 })).await);
    assert_eq!((&off["status"], &off["name"]), (&json!(2), &json!("n")), "what is not named stays");
    assert_eq!(told(&c.admin.get("/api/redemption/search?keyword=活动").await)[0]["name"], json!("活动兑换码"));
    told(&c.admin.call("DELETE", &format!("/api/redemption/{id}"), Value::Null).await);
    refused(&c.admin.get(&format!("/api/redemption/{id}")).await, 404, "removed");
    refused(&c.admin.post("/api/redemption", json!({ "name": "", "quota": 1 })).await, 400, "no name");
    refused(&c.admin.post("/api/redemption", json!({ "name": "n", "quota": 0 })).await, 400, "worth nothing");
    refused(&c.admin.post("/api/redemption", json!({ "name": "n", "quota": 1, "count": 0 })).await, 400, "no uses");
    refused(&c.ann.post("/api/user/topup", json!({ "key": "unknown" })).await, 200, "an unknown code");
}
