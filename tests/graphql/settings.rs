//! Settings: for super administrators alone, all or none, secrets never shown; and the audit log of it all.

use harness::{PASSWORD, TestApp, at};
use schema::{Micros, Role};
use serde_json::json;

const PUT: &str = "mutation ($i: SettingsPutInput!) { settingsPut(input: $i) { settings { name value isSet } \
     userErrors { field code message } } }";

#[tokio::test(flavor = "multi_thread")]
async fn settings_change_together_or_not_at_all() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let both = json!({ "i": { "settings": [
        { "name": "site_name", "value": "Gate" }, { "name": "login_limit", "value": "7" } ] } });
    let done = admin.data(PUT, both).await;
    assert_eq!(at(&done, "settingsPut.userErrors"), &json!([]));
    assert_eq!(at(&done, "settingsPut.settings.1"), &json!({ "name": "login_limit", "value": "7", "isSet": true }));

    let half = json!({ "i": { "settings": [
        { "name": "site_name", "value": "Other" }, { "name": "login_limit", "value": "-1" } ] } });
    let refused = admin.data(PUT, half).await;
    assert_eq!(at(&refused, "settingsPut.userErrors.0.code"), &json!("INVALID"));
    assert_eq!(at(&refused, "settingsPut.userErrors.0.field"), &json!(["login_limit"]));
    let shown = app.anonymous().data("{ publicSettings { siteName } }", json!({})).await;
    assert_eq!(at(&shown, "publicSettings.siteName"), &json!("Gate"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_taken_and_never_shown() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let secret = json!({ "i": { "settings": [{ "name": "stripe_secret_key", "value": "sk_live_hush" }] } });
    let done = admin.data(PUT, secret).await;
    assert_eq!(at(&done, "settingsPut.settings.0.value"), &json!("***"));
    let all = admin
        .data("{ settings(category: \"payment\") { name value } auditLog { nodes { action after } } }", json!({}))
        .await
        .to_string();
    assert!(!all.contains("hush") && all.contains("setting.put"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_super_administrators_configure() {
    let app = TestApp::new().await;
    app.person("bob", Role::Admin, Micros::ZERO).await;
    for client in [app.user("ann").await, app.sign_in("bob", PASSWORD).await] {
        let answer = client.graphql("{ settings { name } }", json!({})).await;
        assert_eq!(at(&answer, "errors.0.extensions.code"), &json!("FORBIDDEN"), "{answer}");
        let input = json!({ "i": { "settings": [{ "name": "site_name", "value": "Mine" }] } });
        let answer = client.graphql(PUT, input).await;
        assert_eq!(at(&answer, "errors.0.extensions.code"), &json!("FORBIDDEN"), "{answer}");
    }
    let shown = app.anonymous().data("{ publicSettings { siteName } }", json!({})).await;
    assert_eq!(at(&shown, "publicSettings.siteName"), &json!("Tollgate"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_in_the_audit_log_with_who_and_where() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let ann = app.person("ann", Role::User, Micros::ZERO).await;
    let change = "mutation ($i: UserChangeInput!) { userChange(input: $i) { user { id } userErrors { code } } }";
    let id =
        at(&admin.data("{ users(filter: { search: \"ann\" }) { nodes { id } } }", json!({})).await, "users.nodes.0.id")
            .clone();
    let input = json!({ "i": { "id": id, "displayName": "Ann B.", "password": "a-password-new" } });
    admin.data(change, input).await;
    let log = "query ($f: AuditFilter) { auditLog(filter: $f) { totalCount nodes { action actorName face targetId before after actor { username } } } }";
    let found = admin.data(log, json!({ "f": { "action": "user.change" } })).await;
    assert_eq!(at(&found, "auditLog.totalCount"), &json!("1"));
    let entry = at(&found, "auditLog.nodes.0");
    assert_eq!(entry["actor"]["username"], json!("admin"));
    assert_eq!(entry["face"], json!("graphql"));
    assert_eq!(entry["targetId"], json!(ann.id.to_string()));
    assert_eq!(entry["after"]["displayName"], json!("Ann B."));
    assert!(!entry.to_string().contains("a-password-new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_points_of_a_caller_are_what_the_operator_says() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let throttle = async || {
        let answer = admin.graphql("{ viewer { id } }", json!({})).await;
        let throttle = at(&answer, "extensions.cost.throttle").clone();
        (throttle["max"].clone(), throttle["restoreRate"].clone())
    };
    assert_eq!(throttle().await, (json!(50_000), json!(2_000)));
    let wide = json!({ "i": { "settings": [
        { "name": "graphql_points", "value": "10000" }, { "name": "graphql_points_per_second", "value": "1" } ] } });
    admin.data(PUT, wide).await;
    assert_eq!(throttle().await, (json!(10_000), json!(1)));
    // A bucket that could never hold the dearest operation is refused.
    let small = json!({ "i": { "settings": [{ "name": "graphql_points", "value": "9999" }] } });
    let refused = admin.data(PUT, small).await;
    assert_eq!(at(&refused, "settingsPut.userErrors.0.code"), &json!("INVALID"));
    // What is spent is missing, and whoever has spent it all is told to wait.
    let dear = "{ users(first: 100) { nodes { apiKeys(first: 80) { nodes { id } } } } }";
    let mut last = admin.graphql(dear, json!({})).await;
    for _ in 0..3 {
        last = admin.graphql(dear, json!({})).await;
    }
    assert_eq!(at(&last, "errors.0.extensions.code"), &json!("RATE_LIMITED"), "{last}");
    assert!(at(&last, "errors.0.extensions.retryAfter").is_number(), "{last}");
}
