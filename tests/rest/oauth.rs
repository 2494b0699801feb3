//! Signing in through a local provider, once for each quirk.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use harness::{Answer, TestApp, at};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// What a local provider was told.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<BTreeMap<String, String>>>);

impl Told {
    fn note(&self, key: &str, value: &str) {
        self.0.lock().expect("a lock").insert(key.into(), value.into());
    }
    pub fn get(&self, key: &str) -> String {
        self.0.lock().expect("a lock").get(key).cloned().unwrap_or_default()
    }
}

/// Exchanges a form or a query, as GitHub, Google, Twitter, WeChat and Facebook do.
async fn exchange(told: Told, said: BTreeMap<String, String>) -> Json<Value> {
    for (key, value) in &said {
        told.note(key, value);
    }
    if said.get("code").map(String::as_str) != Some("good") {
        return Json(json!({ "errcode": 40029, "error": "bad_code" }));
    }
    let claims = json!({ "nonce": told.get("nonce"), "aud": "the-app" }).to_string();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims);
    Json(json!({ "access_token": "their-token", "openid": "o1", "id_token": format!("x.{claims}.x") }))
}

/// A provider that speaks every dialect at once, on an address of its own.
pub async fn provider() -> (String, Told) {
    let told = Told::default();
    let form =
        |State(told): State<Told>, headers: http::HeaderMap, axum::Form(said): axum::Form<BTreeMap<String, String>>| {
            let presented = headers.get("authorization").and_then(|value| value.to_str().ok());
            told.note("authorization", presented.unwrap_or_default());
            exchange(told, said)
        };
    let query = |State(told): State<Told>, Query(said): Query<BTreeMap<String, String>>| exchange(told, said);
    let app_token = |Json(said): Json<Value>| async move {
        let right = said["app_id"] == "the-app" && said["app_secret"] == "the-secret";
        Json(json!({ "code": i32::from(!right), "app_access_token": "app-token" }))
    };
    let wrapped = |headers: http::HeaderMap, Json(said): Json<Value>| async move {
        let right = said["code"] == "good"
            && (headers.get("authorization").is_some_and(|v| v == "Bearer app-token")
                || said["app_secret"] == "the-secret");
        Json(json!({ "code": i32::from(!right), "data": { "access_token": "their-token" } }))
    };
    let flat = || async {
        Json(json!({ "sub": "s1", "name": "Ann Other", "email": "ann@other.example", "email_verified": true }))
    };
    let github = || async { Json(json!({ "id": 42, "login": "ann", "email": "unproven@other.example" })) };
    let emails = || async { Json(json!([{ "email": "ann@other.example", "primary": true, "verified": true }])) };
    let nested = || async { Json(json!({ "code": 0, "data": { "id": "n1", "open_id": "n1", "name": "安" } })) };
    let router = Router::new()
        .route("/form", post(form))
        .route("/query", get(query))
        .route("/app_token", post(app_token))
        .route("/json", post(wrapped))
        .route("/flat", get(flat))
        .route("/github", get(github))
        .route("/emails", get(emails))
        .route("/nested", get(nested))
        .with_state(told.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, told)
}

pub async fn set_up(app: &TestApp, url: &str) {
    let address = |token: &str, profile: &str, extra: &str| {
        json!({ "authorize": format!("{url}/authorize"), "token": format!("{url}/{token}"),
                "profile": format!("{url}/{profile}"), "extra": format!("{url}/{extra}") })
    };
    let addresses = json!({
        "github": address("form", "github", "emails"),
        "google": address("form", "flat", ""),
        "twitter": address("form", "nested", ""),
        "wechat": address("query", "nested", ""),
        "facebook": address("query", "nested", ""),
        "feishu": address("json", "nested", "app_token"),
        "xiaohongshu": address("json", "nested", ""),
        "oidc": address("form", "flat", ""),
        "linuxdo": address("form", "github", ""),
    });
    let mut settings = BTreeMap::from([("sign_in_addresses".to_owned(), Some(addresses.to_string()))]);
    let all = ["github", "google", "wechat", "feishu", "twitter", "facebook", "xiaohongshu", "oidc", "linuxdo"];
    for name in all {
        settings.insert(format!("sign_in_{name}_client_id"), Some("the-app".into()));
        settings.insert(format!("sign_in_{name}_client_secret"), Some("the-secret".into()));
    }
    schema::service::setting::put(&app.app, &app.system(), &settings).await.expect("set up");
}

/// Begins, and comes back with a code.
async fn round_trip(app: &TestApp, told: &Told, name: &str, code: &str) -> (Answer, BTreeMap<String, String>, String) {
    let begun = app.anonymous().get(&format!("/api/v1/auth/oauth/{name}")).await;
    assert_eq!(begun.status, 302, "{name}: {}", begun.text);
    let url = reqwest::Url::parse(begun.header("location")).expect("an address");
    let asked: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    told.note("nonce", asked.get("nonce").map_or("", String::as_str));
    let cookie = begun.header("set-cookie").split(';').next().unwrap_or("").to_owned();
    let back = format!("/api/v1/auth/oauth/{name}/callback?code={code}&state={}", asked["state"]);
    let answer = app.anonymous().with("cookie", &cookie).get(&back).await;
    (answer, asked, format!("{cookie}|{back}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_provider_signs_somebody_in_by_its_own_rules() {
    let app = TestApp::new().await;
    let nowhere = app.anonymous().get("/api/v1/auth/oauth/github").await;
    assert_eq!((nowhere.status.as_u16(), at(&nowhere.json(), "error.code")), (400, &json!("ERR_001")));
    assert_eq!(app.anonymous().get("/api/v1/auth/oauth/myspace").await.status, 404);
    let (url, told) = provider().await;
    set_up(&app, &url).await;
    let as_json = app.anonymous().with("accept", "application/json").get("/api/v1/auth/oauth/github").await;
    assert!(at(&as_json.json(), "data.authorization_url").is_string(), "{}", as_json.text);
    for name in ["google", "wechat", "feishu", "twitter", "facebook", "xiaohongshu", "oidc", "linuxdo"] {
        let (first, asked, _) = round_trip(&app, &told, name, "good").await;
        let id = at(&first.json(), "data.user.id").clone();
        assert!(id.is_string(), "{name}: {}", first.text);
        let id_param = match name {
            "wechat" => "appid",
            "feishu" | "xiaohongshu" => "app_id",
            _ => "client_id",
        };
        assert_eq!(asked[id_param], "the-app", "{name}");
        assert_eq!(asked.contains_key("code_challenge"), matches!(name, "google" | "twitter" | "oidc"), "{name}");
        let (again, _, _) = round_trip(&app, &told, name, "good").await;
        assert_eq!(at(&again.json(), "data.user.id"), &id, "{name}: the same person comes back");
        let (bad, _, _) = round_trip(&app, &told, name, "bad").await;
        assert_eq!(bad.status, 502, "{name}: {}", bad.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_linked_by_verified_addresses_only_and_states_serve_once() {
    let app = TestApp::new().await;
    let (url, told) = provider().await;
    set_up(&app, &url).await;
    let (google, _, used) = round_trip(&app, &told, "google", "good").await;
    let id = at(&google.json(), "data.user.id").clone();
    assert_eq!(at(&google.json(), "data.user.email"), &json!("ann@other.example"));
    let (github, _, _) = round_trip(&app, &told, "github", "good").await;
    assert_eq!(at(&github.json(), "data.user.id"), &id, "both vouch for the address: {}", github.text);
    let (cookie, back) = used.split_once('|').expect("two parts");
    assert_eq!(app.anonymous().with("cookie", cookie).get(back).await.status, 400, "a state serves once");
    let begun = app.anonymous().get("/api/v1/auth/oauth/google").await;
    let state = reqwest::Url::parse(begun.header("location")).expect("an address");
    let state = state.query_pairs().find(|(k, _)| k == "state").map(|(_, v)| v.into_owned()).unwrap_or_default();
    let back = format!("/api/v1/auth/oauth/google/callback?code=good&state={state}");
    assert_eq!(app.anonymous().get(&back).await.status, 400, "another browser cannot finish it");

    // Somebody who merely typed the address here is not taken for its owner.
    let other = TestApp::new().await;
    set_up(&other, &url).await;
    let form = json!({ "email": "ann@other.example", "username": "squatter", "password": "long-enough" });
    assert_eq!(other.anonymous().post("/api/v1/auth/register", form).await.status, 200);
    let (refused, _, _) = round_trip(&other, &told, "google", "good").await;
    assert_eq!(at(&refused.json(), "error.details.reason"), &json!("EMAIL_TAKEN"), "{}", refused.text);
}
