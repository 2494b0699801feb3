//! Coming in: by password, by refresh token, through a provider; and what stands in nobody's way.

use harness::{TestApp, at};
use reqwest::Url;
use serde_json::{Value, json};

use super::{refused, sign_in, told};

async fn set(app: &TestApp, name: &str, value: &str) {
    let change = [(name.to_owned(), Some(value.to_owned()))].into();
    schema::service::setting::put(&app.app, &app.system(), &change).await.expect("set");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_bring_one_refresh_token_at_one_moment_neither_goes_on() {
    let app = TestApp::new().await;
    set(&app, "massrouter_anonymous_limit", "100000").await;
    app.person("ann", schema::Role::User, schema::Micros::ZERO).await;
    let refresh = |token: String| {
        let client = app.anonymous().bearer(&token);
        async move { client.post("/api/v1/auth/refresh", Value::Null).await }
    };
    let form = json!({ "email": "ann@example.com", "password": harness::PASSWORD });
    for round in 0..25 {
        let entered = told(&app.anonymous().post("/api/v1/auth/login", form.clone()).await);
        let token = at(&entered, "tokens.refresh_token").as_str().expect("a token").to_owned();
        let answers = futures_util::future::join_all((0..6).map(|_| refresh(token.clone()))).await;
        let mut fresh = answers.iter().filter(|answer| answer.status == 200);
        let won = fresh.next().unwrap_or_else(|| panic!("nobody was served in round {round}"));
        assert!(fresh.next().is_none(), "two were served in round {round}");
        let successor = at(&told(won), "tokens.refresh_token").as_str().expect("a token").to_owned();
        refused(&refresh(successor).await, 401, "ERR_002", &format!("the successor in round {round}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_ended_does_not_stand_in_the_way() {
    let app = TestApp::new().await;
    let late = app.anonymous().bearer("eyJhbGciOiJIUzI1NiJ9.e30.x");
    let form = json!({ "email": "ann@example.com", "username": "ann", "password": "secure_password",
        "confirm_password": "secure_password" });
    told(&late.post("/api/v1/auth/register", form).await);
    let form = json!({ "email": "ann@example.com", "password": "secure_password" });
    told(&late.post("/api/v1/auth/login", form).await);
    refused(&late.get("/api/v1/models").await, 401, "ERR_002", "anywhere else it is refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_anothers_address_for_a_name() {
    let app = TestApp::new().await;
    app.user("ann").await;
    let register = |email: &str, username: &str| {
        let form = json!({ "email": email, "username": username, "password": "secure_password",
            "confirm_password": "secure_password" });
        let nobody = app.anonymous();
        async move { nobody.post("/api/v1/auth/register", form).await }
    };
    let taken = register("eve@example.com", "Ann@example.com").await;
    refused(&taken, 409, "ERR_001", "somebody's address for a name");
    assert_eq!(at(&taken.json(), "error.details.reason"), &json!("USERNAME_TAKEN"));
    told(&register("bob@example.com", "robert@example.com").await);
    let taken = register("robert@example.com", "robert").await;
    assert_eq!(at(&taken.json(), "error.details.reason"), &json!("EMAIL_TAKEN"), "{}", taken.text);
    let eve = sign_in(&app, "bob@example.com", "secure_password").await;
    let renamed = eve.call("PUT", "/api/v1/users/me", json!({ "username": "ann@example.com" })).await;
    refused(&renamed, 409, "ERR_001", "nor later");
    // One's own address is as good a name as any.
    told(&eve.call("PUT", "/api/v1/users/me", json!({ "username": "bob@example.com" })).await);
    sign_in(&app, "ann@example.com", harness::PASSWORD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_of_a_change_changes_nothing() {
    let app = TestApp::new().await;
    app.user("ann").await;
    let ann = sign_in(&app, "ann", harness::PASSWORD).await;
    let form = |current: &str, new: &str| json!({ "bio": "mine", "password": new, "current_password": current });
    let me = "/api/v1/users/me";
    refused(&ann.call("PUT", me, form("wrong-password", "another-password")).await, 400, "ERR_001", "a wrong one");
    refused(&ann.call("PUT", me, form(harness::PASSWORD, "short")).await, 400, "ERR_001", "a short one");
    let unproven = json!({ "bio": "mine", "password": "another-password" });
    refused(&ann.call("PUT", me, unproven).await, 400, "ERR_001", "no proof");
    assert_eq!(at(&told(&ann.get(me).await), "user.bio"), &json!(""), "half of it was done");
    let done = told(&ann.call("PUT", me, form(harness::PASSWORD, "another-password")).await);
    assert_eq!(at(&done, "user.bio"), &json!("mine"));
    refused(&ann.get(me).await, 401, "ERR_002", "a token of before");
    sign_in(&app, "ann", "another-password").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn coming_through_a_provider_is_a_sign_in_like_any_other() {
    let app = TestApp::new().await;
    let (url, provider) = crate::oauth::provider().await;
    crate::oauth::set_up(&app, &url).await;
    let begun = app.anonymous().get("/api/v1/auth/oauth/wechat").await;
    let asked = Url::parse(begun.header("location")).expect("an address");
    assert_eq!(asked.fragment(), Some("wechat_redirect"));
    let state = asked.query_pairs().find(|(name, _)| name == "state").map(|(_, state)| state.into_owned());
    let cookie = begun.header("set-cookie").split(';').next().unwrap_or("").to_owned();
    let back = format!("/api/v1/auth/oauth/wechat/callback?code=good&state={}", state.expect("a state"));
    let entered = told(&app.anonymous().with("cookie", &cookie).get(&back).await);
    assert_eq!((provider.get("appid"), provider.get("secret")), ("the-app".to_owned(), "the-secret".to_owned()));
    let them = app.anonymous().bearer(at(&entered, "tokens.access_token").as_str().unwrap_or(""));
    let seen = told(&them.get("/api/v1/users/me").await);
    assert!(at(&seen, "user.last_login_at").is_string(), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_nobody_has_are_refused_in_these_words() {
    let app = TestApp::new().await;
    for path in ["/api/v1", "/api/v1/nothing", "/api/v1/nothing/at/all", "/ws/nothing"] {
        refused(&app.anonymous().get(path).await, 404, "ERR_004", path);
        refused(&app.anonymous().post(path, json!({})).await, 404, "ERR_004", path);
    }
}
