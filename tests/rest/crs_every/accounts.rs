//! The families of accounts: added, shown, switched, tested and removed, and their logins.

use harness::fake_upstream::Vendor;
use rest::dialect::crs::TABLE;
use serde_json::{Value, json};

use super::has;
use crate::world::{World, text};

/// The families: path, name of the path's parameter, what makes one, and how its test answers.
fn families(w: &World) -> Vec<(&'static str, &'static str, Value)> {
    let at = |vendor| w.fake.url_of(vendor);
    let (claude, claude_refresh) = w.fake.issue_tokens(Vendor::Anthropic);
    let (google, google_refresh) = w.fake.issue_tokens(Vendor::Gemini);
    let (codex, codex_refresh) = w.fake.issue_tokens(Vendor::Codex);
    let (anthropic, ccr) = (Vendor::Anthropic.key(), Vendor::Ccr.key());
    vec![
        (
            "claude",
            "accountId",
            json!({ "name": "a", "baseUrl": at(Vendor::Anthropic), "claudeAiOauth": {
                "accessToken": claude, "refreshToken": claude_refresh, "expiresAt": 4_102_444_800_000_i64,
                "scopes": ["user:inference", "user:profile"] } }),
        ),
        ("claude-console", "accountId", json!({ "name": "a", "apiUrl": at(Vendor::Anthropic), "apiKey": anthropic })),
        ("ccr", "accountId", json!({ "name": "a", "apiUrl": at(Vendor::Ccr), "apiKey": ccr })),
        (
            "bedrock",
            "accountId",
            json!({ "name": "a", "baseUrl": at(Vendor::Bedrock), "bearerToken": Vendor::Bedrock.key() }),
        ),
        (
            "gemini",
            "accountId",
            json!({ "name": "a", "baseUrl": at(Vendor::Gemini), "geminiOauth": {
                "access_token": google, "refresh_token": google_refresh, "expiry_date": 4_102_444_800_000_i64 } }),
        ),
        (
            "openai",
            "id",
            json!({ "name": "a", "baseUrl": format!("{}/backend-api/codex", at(Vendor::Codex)), "openaiOauth": {
                "accessToken": codex, "refreshToken": codex_refresh, "expires_in": 864_000 },
                "accountInfo": { "accountId": harness::fake_upstream::ACCOUNT_ID } }),
        ),
        (
            "azure-openai",
            "id",
            json!({ "name": "a", "azureEndpoint": at(Vendor::Azure), "deploymentName": "gpt-4o",
                "apiKey": Vendor::Azure.key() }),
        ),
        (
            "openai-responses",
            "id",
            json!({ "name": "a", "baseApi": at(Vendor::OpenAi), "apiKey": Vendor::OpenAi.key() }),
        ),
        ("gemini-api", "id", json!({ "name": "a", "baseUrl": at(Vendor::Gemini), "apiKey": Vendor::Gemini.key() })),
    ]
}

/// Lines of one family, so far as it has them.
fn lines<'a>(base: &'a str, verb: &'a str) -> impl Iterator<Item = (&'static str, &'static str)> + 'a {
    TABLE
        .iter()
        .filter(move |row| {
            let rest = row.path.strip_prefix(base).and_then(|rest| rest.strip_prefix("/{"));
            rest.and_then(|rest| rest.split_once("}/")).is_some_and(|(_, last)| last == verb)
        })
        .map(|row| (row.method, row.path))
}

pub async fn accounts(w: &mut World) {
    for (family, parameter, body) in families(w) {
        let base = format!("/admin/{family}-accounts");
        let made = w.step("POST", &base, &[], body).await;
        has(&made, &["data.id", "data.name", "data.isActive", "data.priority", "data.accountType", "data.createdAt"]);
        let id = text(&made["data"]["id"]);
        let one = format!("{base}/{{{parameter}}}");
        w.step("PUT", &one, &[&id], json!({ "name": "b", "dailyQuota": 5 })).await;
        let list = w.step("GET", &base, &[], Value::Null).await;
        let row = &list["data"][0];
        has(row, &["usage.daily.allTokens", "usage.averages.rpm", "rateLimitStatus.isRateLimited", "groupInfos"]);
        assert_eq!((&row["name"], &row["status"]), (&json!("b"), &json!("active")), "{family}: {row}");
        for verb in ["toggle", "toggle", "toggle-schedulable", "toggle-schedulable", "reset-status", "reset-rate-limit"]
        {
            for (method, path) in lines(&base, verb) {
                w.step(method, path, &[&id], Value::Null).await;
            }
        }
        for verb in ["usage", "reset-usage", "test-history", "test-config"] {
            for (method, path) in lines(&base, verb) {
                let body = if method == "GET" { Value::Null } else { json!({ "enabled": false }) };
                w.step(method, path, &[&id], body).await;
            }
        }
        for (method, path) in lines(&base, "test") {
            let answer = w.call(method, path, &[&id], json!({})).await;
            let works = answer.text.contains("\"success\":true");
            assert!(answer.status == 200 && works, "{family} really asks its vendor: {}", answer.text);
        }
        what_the_page_reads_of_tests(w, family, &id).await;
        for verb in ["test-sync", "health-check"] {
            for (method, path) in lines(&base, verb) {
                let found = w.step(method, path, &[&id], json!({})).await;
                assert!(["success", "healthy"].contains(&text(&found["data"]["status"]).as_str()), "{family}: {found}");
            }
        }
        for verb in ["refresh", "update-profile"] {
            for (method, path) in lines(&base, verb) {
                w.step(method, path, &[&id], json!({})).await;
            }
        }
        if let Some((_, path)) = lines(&base, "generate-jwt-token").next() {
            let token = text(&w.step("POST", path, &[&id], Value::Null).await["data"]["token"]);
            let watcher = w.t.anonymous().bearer(&token);
            let path = "/admin/openai-responses-accounts/{id}/health";
            let seen = w.call_as(&watcher, "GET", path, &[&id], Value::Null).await.json();
            assert_eq!(seen["data"]["status"], "healthy", "{seen}");
        }
        if family == "claude" {
            of_one_account(w, &id).await;
        }
        if family == "azure-openai" {
            let all = w.step("POST", "/admin/azure-openai-accounts/health-check-all", &[], Value::Null).await;
            assert_eq!(all["data"][0]["status"], "healthy", "{all}");
        }
        for (method, path) in TABLE.iter().map(|r| (r.method, r.path)) {
            if path == format!("{base}/reset-all-usage") || path == format!("{base}/update-all-profiles") {
                w.step(method, path, &[], Value::Null).await;
            }
        }
        let gone = w.step("DELETE", &one, &[&id], Value::Null).await;
        assert_eq!(gone["unboundKeys"], 0);
    }
    assert_eq!(w.step("GET", "/admin/droid-accounts", &[], Value::Null).await["data"], json!([]));
    w.step("POST", "/admin/migrate-api-keys-azure", &[], Value::Null).await;
    what_is_not_done_here(w).await;
}

/// The console's page reads the tests of some families as events and of the others as JSON, and asks for neither.
async fn what_the_page_reads_of_tests(w: &mut World, family: &str, id: &str) {
    let base = format!("/admin/{family}-accounts");
    let Some((method, path)) = lines(&base, "test").next() else { return };
    let page = w.admin.with("origin", "https://console.example").with("accept", "*/*");
    let shown = w.call_as(&page, method, path, &[id], json!({})).await;
    let as_events = |answer: &harness::Answer| answer.header("content-type").starts_with("text/event-stream");
    if ["claude", "claude-console", "bedrock", "gemini-api"].contains(&family) {
        assert!(as_events(&shown) && shown.text.contains("test_complete"), "{family}: {}", shown.text);
    }
    if ["gemini", "openai-responses", "ccr"].contains(&family) {
        let said = shown.json();
        assert!(said["success"] == true && said["data"]["responseText"].is_string(), "{family}: {said}");
    }
    if ["gemini", "openai-responses", "ccr", "bedrock"].contains(&family) {
        let listener = w.admin.with("accept", "text/event-stream");
        let events = w.call_as(&listener, method, path, &[id], json!({})).await;
        assert!(as_events(&events), "{family}: {}", events.text);
        let reader = w.admin.with("origin", "https://console.example").with("accept", "application/json, */*");
        let said = w.call_as(&reader, method, path, &[id], json!({})).await;
        assert_eq!(said.json()["success"], true, "{family}: {}", said.text);
    }
}

/// What its console offers and is not done here is refused in words.
async fn what_is_not_done_here(w: &mut World) {
    let none: &[&str] = &[];
    let made = w.console_account("asked after").await;
    let one: &[&str] = &[&made];
    let script = "/admin/accounts/{accountId}/balance/script";
    for (method, path, parameters, body, why) in [
        ("GET", script, one, Value::Null, "do not run here"),
        ("PUT", script, one, json!({ "scriptBody": "x" }), "do not run here"),
        (
            "POST",
            "/admin/gemini-accounts/generate-auth-url",
            none,
            json!({ "oauthProvider": "antigravity" }),
            "Antigravity",
        ),
    ] {
        let refused = w.call(method, path, parameters, body).await;
        assert!(refused.status == 400 && refused.text.contains(why), "{method} {path}: {}", refused.text);
    }
    let no = w.call("POST", "/admin/droid-accounts", &[], json!({ "name": "d" })).await;
    assert!(no.status == 403 && no.text.contains("Factory Droid"), "{}", no.text);
    for (method, body) in [("PUT", json!({ "name": "d" })), ("DELETE", Value::Null)] {
        let none = w.call(method, "/admin/droid-accounts/{id}", &["x"], body).await;
        assert!(none.status == 404 && none.text.contains("Droid"), "{method}: {}", none.text);
    }
    // No call of a later step is to be served by it.
    w.step("DELETE", "/admin/claude-console-accounts/{accountId}", &[&made], Value::Null).await;
    let nobody = w.t.anonymous();
    let body = json!({ "username": "u", "password": "p" });
    let door = w.call_as(&nobody, "POST", "/users/login", &[], body).await;
    assert_eq!(door.status, 403, "{}", door.text);
    assert_eq!(door.json()["error"], "User management is not enabled");
    assert!(door.text.contains("/web/auth/login"), "{}", door.text);
}

async fn of_one_account(w: &mut World, id: &str) {
    let windows = w.step("GET", "/admin/claude-accounts/usage", &[], Value::Null).await;
    has(&windows["data"][id], &["fiveHour.utilization", "sevenDay.resetsAt"]);
    let tests = w.step("POST", "/admin/claude-accounts/batch-test-history", &[], json!({ "accountIds": [id] })).await;
    assert_eq!(tests["data"][id][0]["success"], true, "a test is remembered: {tests}");
    for (pattern, wanted) in [
        ("/admin/accounts/{accountId}/usage-stats", &["data.accountInfo.name", "data.daily.requests"][..]),
        ("/admin/accounts/{accountId}/usage-history", &["data.history.29.cost", "data.summary.avgDailyCost"]),
        ("/admin/accounts/{accountId}/usage-records", &["data.records", "data.pagination.totalPages"]),
        ("/admin/accounts/{accountId}/balance", &["data.quota.remaining", "data.statistics.totalCost"]),
        ("/admin/error-history/{accountId}", &["data"]),
    ] {
        let shown = w.step("GET", pattern, &[id], Value::Null).await;
        has(&shown, wanted);
    }
    let all = w.step("GET", "/admin/accounts/balance/platform/{platform}", &["claude"], Value::Null).await;
    assert_eq!(all["data"][0]["accountId"], id);
    w.step("DELETE", "/admin/claude-code-headers/{accountId}", &[id], Value::Null).await;
    for (pattern, wanted) in [
        ("/admin/accounts/usage-stats", &["data.0.daily.tokens", "summary.totalAccounts"][..]),
        ("/admin/accounts/binding-counts", &["data.claudeAccountId"]),
        ("/admin/accounts/balance/summary", &["data.totalBalance", "data.platforms.claude.totalCost"]),
        ("/admin/temp-unavailable", &["data"]),
        ("/admin/error-history", &["data"]),
        ("/admin/claude-code-headers", &["data"]),
        ("/admin/sync/export-accounts", &["data.claudeAccounts.0.name"]),
    ] {
        let shown = w.step("GET", pattern, &[], Value::Null).await;
        has(&shown, wanted);
        assert!(!shown.to_string().contains("-issued-"), "{pattern} tells a secret");
    }
}

pub async fn logins(w: &mut World) {
    for (url, exchange) in [
        ("/admin/claude-accounts/generate-auth-url", "/admin/claude-accounts/exchange-code"),
        ("/admin/claude-accounts/generate-setup-token-url", "/admin/claude-accounts/exchange-setup-token-code"),
        ("/admin/gemini-accounts/generate-auth-url", "/admin/gemini-accounts/exchange-code"),
        ("/admin/openai-accounts/generate-auth-url", "/admin/openai-accounts/exchange-code"),
    ] {
        let begun = w.step("POST", url, &[], json!({})).await;
        let (page, session) = (text(&begun["data"]["authUrl"]), text(&begun["data"]["sessionId"]));
        let (code, _) = w.consent(&page).await;
        let done = w.step("POST", exchange, &[], json!({ "sessionId": session, "code": code })).await;
        assert!(done["data"].is_object(), "{done}");
        if url.contains("gemini") {
            let path = "/admin/gemini-accounts/poll-auth-status";
            let polled = w.step("POST", path, &[], json!({ "sessionId": session })).await;
            has(&polled, &["data.tokens.access_token"]);
        }
    }
}
