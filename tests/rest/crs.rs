//! crs: every endpoint's success and refusals, and what its lists and reports promise.

use harness::{Client, TestApp, at};
use rest::dialect::crs::TABLE;
use serde_json::{Value, json};

async fn key(admin: &Client, name: &str) -> Value {
    let made = admin.post("/admin/api-keys", json!({ "name": name, "tags": ["t"] })).await;
    assert_eq!(made.status, 200, "{}", made.text);
    made.json()["data"].clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("text: {value}"))
}

/// Paths open to everybody.
fn public(path: &str) -> bool {
    path.starts_with("/api/")
        || path.starts_with("/apiStats/")
        || path == "/"
        || path.starts_with("/admin-next")
        || path == "/web/auth/login"
        || path == "/users/login"
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_nobody_or_no_administrator_is_told_so_everywhere() {
    let app = TestApp::new().await;
    let (nobody, ann) = (app.anonymous(), app.user("ann").await);
    for row in TABLE.iter().filter(|r| !public(r.path)) {
        let path: String =
            row.path.split('/').map(|p| if p.starts_with('{') { "x" } else { p }).collect::<Vec<_>>().join("/");
        let refused = nobody.call(row.method, &path, json!({})).await;
        assert_eq!(refused.status, 401, "{} {path}: {}", row.method, refused.text);
        assert!(refused.json()["error"].is_string() && refused.json()["message"].is_string(), "{}", refused.text);
        if path.ends_with("/health") {
            continue;
        }
        let refused = ann.call(row.method, &path, json!({})).await;
        assert_eq!(refused.status, 403, "{} {path}: {}", row.method, refused.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_ids_are_not_found_and_misfits_are_bad_requests() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    for row in TABLE.iter().filter(|r| r.path.starts_with("/admin/") && r.path.contains('{')) {
        let path: String = row
            .path
            .split('/')
            .map(|p| if p.starts_with('{') { "00000000-0000-4000-8000-000000000009" } else { p })
            .collect::<Vec<_>>()
            .join("/");
        if path.contains("/balance/platform/") || path.ends_with("/health") {
            continue;
        }
        let body = if row.path.contains("/tags/") { json!({ "newName": "n" }) } else { json!({}) };
        let answer = admin.call(row.method, &path, body).await;
        assert_eq!(answer.status, 404, "{} {path}: {}", row.method, answer.text);
        assert!(answer.json()["error"].is_string() && answer.json()["message"].is_string(), "{}", answer.text);
    }
    for row in
        TABLE.iter().filter(|r| r.path.starts_with("/admin/") && matches!(r.method, "POST") && !r.path.contains('{'))
    {
        let takes = ["/api-keys", "/batch", "-accounts", "-groups", "/exchange-code", "/poll-auth-status"];
        if takes.iter().any(|t| row.path.ends_with(t)) {
            let answer = admin.call(row.method, row.path, json!([1])).await;
            assert_eq!(answer.status, 400, "{} {}: {}", row.method, row.path, answer.text);
            let answer = admin.call(row.method, row.path, json!({ "name": 5 })).await;
            assert_eq!(answer.status, 400, "{} {}: {}", row.method, row.path, answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_plain_list_and_report_answers() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    key(&admin, "one").await;
    let plain = |r: &&rest::dialect::Row| {
        r.method == "GET"
            && !r.path.contains('{')
            && (r.path.starts_with("/admin/") || r.path.starts_with("/users") || r.path.starts_with("/apiStats/"))
    };
    for row in TABLE.iter().filter(plain).filter(|r| !r.path.ends_with("redemption-history")) {
        let answer = admin.get(row.path).await;
        assert_eq!(answer.status, 200, "{}: {}", row.path, answer.text);
        assert_eq!(answer.json()["success"], true, "{}", row.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_live_are_deleted_restored_and_removed() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let made = key(&admin, "mine").await;
    let (id, secret) = (text(&made["id"]).to_owned(), text(&made["apiKey"]).to_owned());
    assert!(secret.starts_with("cr_") && secret.len() == 67);
    let list = admin.get("/admin/api-keys").await;
    assert!(!list.text.contains(&secret), "a secret is told once");
    assert_eq!(list.json()["data"][0]["name"], "mine");
    assert!(list.json()["data"][0]["usage"]["total"]["requests"].is_number());
    let paged = admin.get("/admin/api-keys?page=1&pageSize=10").await.json();
    assert_eq!((&paged["data"]["pagination"]["total"], &paged["data"]["availableTags"]), (&json!(1), &json!(["t"])));

    let changed =
        admin.call("PUT", &format!("/admin/api-keys/{id}"), json!({ "name": "ours", "dailyCostLimit": 2.5 })).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let until = admin
        .call("PATCH", &format!("/admin/api-keys/{id}/expiration"), json!({ "expiresAt": "2099-01-01T00:00:00.000Z" }))
        .await;
    assert_eq!(until.json()["updates"]["expiresAt"], "2099-01-01T00:00:00.000Z", "{}", until.text);
    let shown = admin.get("/admin/api-keys").await.json();
    assert_eq!((&shown["data"][0]["name"], &shown["data"][0]["dailyCostLimit"]), (&json!("ours"), &json!(2.5)));

    let early = admin.call("DELETE", &format!("/admin/api-keys/{id}/permanent"), Value::Null).await;
    assert_eq!(early.status, 400, "{}", early.text);
    for (method, path, status) in [
        ("DELETE", format!("/admin/api-keys/{id}"), 200),
        ("DELETE", format!("/admin/api-keys/{id}"), 404),
        ("POST", format!("/admin/api-keys/{id}/restore"), 200),
        ("POST", format!("/admin/api-keys/{id}/restore"), 400),
        ("DELETE", format!("/admin/api-keys/{id}"), 200),
        ("DELETE", format!("/admin/api-keys/{id}/permanent"), 200),
        ("POST", format!("/admin/api-keys/{id}/restore"), 404),
    ] {
        let answer = admin.call(method, &path, Value::Null).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_make_edit_and_delete() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let made = admin.post("/admin/api-keys/batch", json!({ "baseName": "b", "count": 3 })).await.json();
    assert_eq!(made["summary"], json!({ "requested": 3, "created": 3, "failed": 0 }));
    assert_eq!(made["data"][2]["name"], "b_3");
    let ids: Vec<&Value> = (0..3).map(|i| &made["data"][i]["id"]).collect();
    let edit = json!({ "keyIds": [ids[0], ids[1], "nobody"], "updates": { "tags": ["x"], "tagOperation": "add" } });
    let edited = admin.call("PUT", "/admin/api-keys/batch", edit).await.json();
    assert_eq!((&edited["data"]["successCount"], &edited["data"]["failedCount"]), (&json!(2), &json!(1)), "{edited}");
    assert_eq!(admin.get("/admin/api-keys/tags").await.json()["data"], json!(["x"]));
    let gone = admin.call("DELETE", "/admin/api-keys/batch", json!({ "keyIds": ids })).await.json();
    assert_eq!(gone["data"]["successCount"], 3, "{gone}");
    let bin = admin.get("/admin/api-keys/deleted").await.json();
    assert_eq!((&bin["total"], &bin["apiKeys"][0]["isDeleted"]), (&json!(3), &json!(true)));
    let cleared = admin.call("DELETE", "/admin/api-keys/deleted/clear-all", Value::Null).await.json();
    assert_eq!(cleared["details"]["successCount"], 3, "{cleared}");
    for count in [1, 501] {
        let refused = admin.post("/admin/api-keys/batch", json!({ "baseName": "b", "count": count })).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_family_is_added_shown_switched_and_removed_without_telling_secrets() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let group = admin.post("/admin/account-groups", json!({ "name": "g", "platform": "claude" })).await.json();
    let group = text(&group["data"]["id"]).to_owned();
    for (path, body) in [
        (
            "claude-accounts",
            json!({ "name": "a", "claudeAiOauth": { "accessToken": "sk-ant-oat01-SECRET", "refreshToken": "SECRET-r", "scopes": [] } }),
        ),
        (
            "claude-console-accounts",
            json!({ "name": "a", "apiUrl": "https://a.example", "apiKey": "SECRET-key", "accountType": "group", "groupId": group }),
        ),
        (
            "ccr-accounts",
            json!({ "name": "a", "apiUrl": "https://a.example", "apiKey": "SECRET-key", "dailyQuota": 5 }),
        ),
        (
            "bedrock-accounts",
            json!({ "name": "a", "awsCredentials": { "accessKeyId": "AKIA", "secretAccessKey": "SECRET" } }),
        ),
        (
            "gemini-accounts",
            json!({ "name": "a", "geminiOauth": { "access_token": "SECRET", "refresh_token": "SECRET-r" } }),
        ),
        (
            "openai-accounts",
            json!({ "name": "a", "openaiOauth": { "accessToken": "SECRET", "refreshToken": "SECRET-r" } }),
        ),
        (
            "azure-openai-accounts",
            json!({ "name": "a", "azureEndpoint": "https://a.openai.azure.com", "deploymentName": "gpt-4", "apiKey": "SECRET-key" }),
        ),
        (
            "openai-responses-accounts",
            json!({ "name": "a", "baseApi": "https://a.example", "apiKey": "SECRET-key", "proxy": { "type": "socks5", "host": "h", "port": "1080", "username": "u", "password": "SECRET" } }),
        ),
    ] {
        let base = format!("/admin/{path}");
        let refused = admin.post(&base, json!({})).await;
        assert_eq!(refused.status, 400, "{path}: {}", refused.text);
        let mut body = body;
        body["priority"] = json!(20);
        let made = admin.post(&base, body).await;
        assert_eq!(made.status, 200, "{path}: {}", made.text);
        let id = text(&made.json()["data"]["id"]).to_owned();
        let one = format!("{base}/{id}");
        let changed = admin.call("PUT", &one, json!({ "name": "b" })).await;
        assert_eq!(changed.status, 200, "{path}: {}", changed.text);
        let list = admin.get(&base).await;
        let row = &list.json()["data"][0];
        assert_eq!(
            (&row["name"], &row["priority"], &row["isActive"]),
            (&json!("b"), &json!(20), &json!(true)),
            "{path}"
        );
        let flipped = admin.call("PUT", &format!("{one}/toggle-schedulable"), Value::Null).await.json();
        assert_eq!(flipped["schedulable"], false, "{path}: {flipped}");
        let reset = admin.post(&format!("{one}/reset-status"), Value::Null).await;
        assert_eq!(reset.status, 200, "{path}: {}", reset.text);
        for answer in [&made, &changed, &list, &reset] {
            assert!(!answer.text.contains("SECRET"), "{path}: {}", answer.text);
        }
        let removed = admin.call("DELETE", &one, Value::Null).await;
        assert_eq!(
            (removed.status.as_u16(), &removed.json()["unboundKeys"]),
            (200, &json!(0)),
            "{path}: {}",
            removed.text
        );
        assert_eq!(admin.call("DELETE", &one, Value::Null).await.status, 404);
    }
    let members = admin.get(&format!("/admin/account-groups/{group}/members")).await.json();
    assert_eq!(members["data"], json!([]));
    assert_eq!(admin.call("DELETE", &format!("/admin/account-groups/{group}"), Value::Null).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_ask_about_themselves_under_both_spellings() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let made = key(&admin, "mine").await;
    let nobody = app.anonymous();
    for prefix in ["/api", "/apiStats/api"] {
        let found = nobody.post(&format!("{prefix}/get-key-id"), json!({ "apiKey": made["apiKey"] })).await;
        assert_eq!(found.json()["data"]["id"], made["id"], "{}", found.text);
        let stats = nobody.post(&format!("{prefix}/user-stats"), json!({ "apiId": made["id"] })).await.json();
        assert_eq!(stats["data"]["name"], "mine", "{stats}");
        for part in ["usage", "limits", "accounts", "restrictions"] {
            assert!(stats["data"][part].is_object(), "{part}: {stats}");
        }
        let many = nobody.post(&format!("{prefix}/batch-stats"), json!({ "apiIds": [made["id"]] })).await.json();
        assert_eq!(*at(&many, "data.aggregated.totalKeys"), json!(1), "{many}");
        for (path, body, status) in [
            ("get-key-id", json!({}), 400),
            ("get-key-id", json!({ "apiKey": "short" }), 400),
            ("get-key-id", json!({ "apiKey": "cr_nobody-has-this-key" }), 401),
            ("user-stats", json!({ "apiId": "1" }), 400),
            ("user-stats", json!({ "apiId": "00000000-0000-4000-8000-000000000001" }), 404),
            ("batch-stats", json!({ "apiIds": vec!["x"; 31] }), 400),
            ("user-model-stats", json!({ "apiId": made["id"], "period": "hourly" }), 400),
        ] {
            let refused = nobody.post(&format!("{prefix}/{path}"), body).await;
            assert_eq!(refused.status, status, "{path}: {}", refused.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_one_account_and_nothing_else() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let body = json!({ "name": "a", "baseApi": "http://127.0.0.1:9", "apiKey": "sk-x" });
    let mut ids = Vec::new();
    for _ in 0..2 {
        let made = admin.post("/admin/openai-responses-accounts", body.clone()).await.json();
        ids.push(text(&made["data"]["id"]).to_owned());
    }
    let made =
        admin.post(&format!("/admin/openai-responses-accounts/{}/generate-jwt-token", ids[0]), Value::Null).await;
    let token = text(&made.json()["data"]["token"]).to_owned();
    let watcher = app.anonymous().bearer(&token);
    let seen = watcher.get(&format!("/admin/openai-responses-accounts/{}/health", ids[0])).await;
    assert_eq!(seen.json()["data"]["status"], "error", "nobody listens there: {}", seen.text);
    assert_eq!(watcher.get(&format!("/admin/openai-responses-accounts/{}/health", ids[1])).await.status, 403);
    assert_eq!(watcher.get("/admin/dashboard").await.status, 401);
}
