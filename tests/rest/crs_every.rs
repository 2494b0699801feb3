//! crs: every line of the table is called as its console would call it, and answers what its document promises.

mod accounts;
mod pages;

use harness::app::ADMIN_PASSWORD;
use harness::fake_upstream::Vendor;
use harness::{Client, TestApp, at};
use rest::dialect::crs::TABLE;
use schema::Time;
use serde_json::{Value, json};

use crate::world::{World, text};

use accounts::{accounts, logins};

/// Has all of these members, as far down as the dots lead.
pub fn has(value: &Value, paths: &[&str]) {
    for path in paths {
        let mut here = value;
        for step in path.split('.') {
            here = match step.parse::<usize>() {
                Ok(index) if here.is_array() => &here[index],
                _ => here.get(step).unwrap_or_else(|| panic!("no {path} in {value}")),
            };
        }
    }
}

async fn people_and_sessions(w: &mut World) {
    let nobody = w.t.anonymous();
    let body = json!({ "username": "admin", "password": ADMIN_PASSWORD });
    let done = w.call_as(&nobody, "POST", "/web/auth/login", &[], body).await.json();
    has(&done, &["token", "expiresIn", "username"]);
    assert_eq!((&done["expiresIn"], &done["username"]), (&json!(86_400_000), &json!("admin")));
    let other = w.t.anonymous().bearer(&text(&done["token"]));
    let shown = w.call_as(&other, "GET", "/web/auth/user", &[], Value::Null).await.json();
    has(&shown, &["user.username", "user.loginTime", "user.lastActivity"]);
    let fresh = w.call_as(&other, "POST", "/web/auth/refresh", &[], Value::Null).await.json();
    let other = w.t.anonymous().bearer(&text(&fresh["token"]));
    let body = json!({ "currentPassword": ADMIN_PASSWORD, "newPassword": "another-password" });
    let changed = w.call_as(&other, "POST", "/web/auth/change-password", &[], body).await;
    assert_eq!(changed.json()["newUsername"], "admin", "{}", changed.text);
    assert_eq!(w.admin.get("/web/auth/user").await.status, 401, "a new password ends every session");
    w.admin = w.t.sign_in("admin", "another-password").await;
    let leaving = w.t.sign_in("admin", "another-password").await;
    assert_eq!(w.call_as(&leaving, "POST", "/web/auth/logout", &[], Value::Null).await.status, 200);
    assert_eq!(leaving.get("/web/auth/user").await.status, 401);
    w.t.user("ann").await;
    let users = w.step("GET", "/admin/users", &[], Value::Null).await;
    assert_eq!(users["data"][0]["id"], "admin");
    let admins = users["data"].as_array().expect("people").iter().filter(|user| user["username"] == "admin");
    assert_eq!(admins.count(), 1, "{users}");
    has(&users, &["data.1.username", "data.1.displayName", "data.1.email", "data.1.role"]);
    let list = w.step("GET", "/users", &[], Value::Null).await;
    has(&list, &["users", "pagination.total"]);
    let stats = w.step("GET", "/users/stats/overview", &[], Value::Null).await;
    assert_eq!((at(&stats, "stats.totalUsers"), at(&stats, "stats.adminUsers")), (&json!(2), &json!(1)));
}

async fn keys(w: &mut World) -> (String, String) {
    let body = json!({ "name": "one", "permissions": "all", "tags": ["t"], "dailyCostLimit": 5 });
    let made = w.step("POST", "/admin/api-keys", &[], body).await;
    let (id, secret) = (text(&made["data"]["id"]), text(&made["data"]["apiKey"]));
    let batch = w.step("POST", "/admin/api-keys/batch", &[], json!({ "baseName": "b", "count": 3 })).await;
    let ids: Vec<String> = (0..3).map(|i| text(&batch["data"][i]["id"])).collect();
    let update = json!({ "keyIds": ids, "updates": { "tags": ["u"], "tagOperation": "replace" } });
    let updated = w.step("PUT", "/admin/api-keys/batch", &[], update).await;
    assert_eq!(at(&updated, "data.successCount"), &json!(3));
    let list = w.step("GET", "/admin/api-keys", &[], Value::Null).await;
    has(&list, &["data.0.id", "data.0.usage.total.requests", "data.0.tags"]);
    assert_eq!(list["data"][0]["userId"], "admin", "the owner is chosen from the list of people");
    let paged = "/admin/api-keys?page=1&pageSize=2&sortBy=cost&costTimeRange=today";
    let paged = w.step("GET", paged, &[], Value::Null).await;
    assert_eq!(at(&paged, "data.pagination.totalPages"), &json!(2));
    assert_eq!(at(&paged, "data.items.0.currentConcurrency"), &json!(0));
    w.step("PUT", "/admin/api-keys/{keyId}", &[&id], json!({ "tags": ["t", "v"] })).await;
    let body = json!({ "expiresAt": "2099-01-01T00:00:00.000Z" });
    w.step("PATCH", "/admin/api-keys/{keyId}/expiration", &[&id], body).await;
    assert_eq!(w.step("GET", "/admin/api-keys/tags", &[], Value::Null).await["data"], json!(["t", "u", "v"]));
    w.step("GET", "/admin/api-keys/tags/details", &[], Value::Null).await;
    what_the_page_of_tags_sends(w).await;
    let renamed = w.step("PUT", "/admin/api-keys/tags/{name}", &["u"], json!({ "newName": "x" })).await;
    assert_eq!(at(&renamed, "data.affectedCount"), &json!(3));
    w.step("DELETE", "/admin/api-keys/tags/{name}", &["x"], Value::Null).await;
    w.step("DELETE", "/admin/api-keys/{keyId}", &[&ids[0]], Value::Null).await;
    let bin = w.step("GET", "/admin/api-keys/deleted", &[], Value::Null).await;
    has(&bin, &["apiKeys.0.deletedAt", "total"]);
    w.step("POST", "/admin/api-keys/{keyId}/restore", &[&ids[0]], Value::Null).await;
    w.step("DELETE", "/admin/api-keys/batch", &[], json!({ "keyIds": ids })).await;
    w.step("DELETE", "/admin/api-keys/{keyId}/permanent", &[&ids[0]], Value::Null).await;
    let cleared = w.step("DELETE", "/admin/api-keys/deleted/clear-all", &[], Value::Null).await;
    assert_eq!(at(&cleared, "details.successCount"), &json!(2));
    let clients = w.step("GET", "/admin/supported-clients", &[], Value::Null).await;
    assert_eq!(clients["data"][0]["id"], "claude_code");
    for path in ["/admin/api-keys/cost-sort-status", "/admin/api-keys/index-status", "/admin/concurrency"] {
        w.step("GET", path, &[], Value::Null).await;
    }
    let open = w.step("GET", "/admin/concurrency/{keyId}", &[&id], Value::Null).await;
    assert_eq!(at(&open, "data.concurrency"), &json!(0));
    (id, secret)
}

async fn groups(w: &mut World) {
    let body = json!({ "name": "g", "platform": "claude", "description": "d" });
    let group = text(&w.step("POST", "/admin/account-groups", &[], body).await["data"]["id"]);
    let list = w.step("GET", "/admin/account-groups", &[], Value::Null).await;
    assert_eq!(list["data"][0]["memberCount"], 0);
    let body = json!({
        "name": "member", "apiUrl": w.fake.url_of(Vendor::Anthropic), "apiKey": "k-SECRET", "accountType": "group",
        "groupId": group,
    });
    let made = w.step("POST", "/admin/claude-console-accounts", &[], body).await;
    let one = w.step("GET", "/admin/account-groups/{groupId}", &[&group], Value::Null).await;
    assert_eq!(at(&one, "data.memberCount"), &json!(1));
    let members = w.step("GET", "/admin/account-groups/{groupId}/members", &[&group], Value::Null).await;
    assert!(members["data"][0]["name"] == "member" && !members.to_string().contains("SECRET"), "{members}");
    let full = w.call("DELETE", "/admin/account-groups/{groupId}", &[&group], Value::Null).await;
    assert_eq!(full.status, 400, "{}", full.text);
    w.step("DELETE", "/admin/claude-console-accounts/{accountId}", &[&text(&made["data"]["id"])], Value::Null).await;
    w.step("PUT", "/admin/account-groups/{groupId}", &[&group], json!({ "name": "h" })).await;
    w.step("DELETE", "/admin/account-groups/{groupId}", &[&group], Value::Null).await;
}

async fn public_pages(w: &mut World, id: &str, secret: &str) {
    let nobody = w.t.anonymous();
    for prefix in ["/api", "/apiStats/api"] {
        for (path, body, wanted) in [
            ("get-key-id", json!({ "apiKey": secret }), &["data.id"][..]),
            ("user-stats", json!({ "apiId": id }), &["data.usage.total.requests", "data.limits.dailyCostLimit"]),
            (
                "batch-stats",
                json!({ "apiIds": [id] }),
                &["data.aggregated.alltimeUsage.cost", "data.aggregated.usage.cost", "data.individual.0.apiId"],
            ),
            ("batch-model-stats", json!({ "apiIds": [id] }), &["data.0.costs.total", "period"]),
            ("user-model-stats", json!({ "apiId": id, "period": "daily" }), &["data.0.formatted.total", "period"]),
        ] {
            let answer = w.call_as(&nobody, "POST", &format!("{prefix}/{path}"), &[], body).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            has(&answer.json(), wanted);
        }
    }
    for (method, path, body) in [
        ("GET", "/apiStats/models".to_owned(), Value::Null),
        ("GET", "/apiStats/service-rates".to_owned(), Value::Null),
        ("GET", format!("/apiStats/api/redemption-history?apiId={id}"), Value::Null),
    ] {
        let answer = w.call_as(&nobody, method, &path, &[], body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
}

/// Its console offers a login by the cookie of a browser; what to do instead is said.
async fn cookies(w: &mut World) {
    for path in ["/admin/claude-accounts/oauth-with-cookie", "/admin/claude-accounts/setup-token-with-cookie"] {
        let refused = w.call("POST", path, &[], json!({ "sessionKey": "sk-ant-sid01-x" })).await;
        assert!(refused.status == 400 && refused.text.contains("generate-auth-url"), "{path}: {}", refused.text);
        assert!(!refused.text.contains("sid01"), "{}", refused.text);
    }
}

async fn trials(w: &mut World, secret: &str) {
    let nobody = w.t.anonymous();
    for path in ["/apiStats/api-key/test", "/apiStats/api-key/test-gemini", "/apiStats/api-key/test-openai"] {
        let answer = w.call_as(&nobody, "POST", path, &[], json!({ "apiKey": secret, "maxTokens": 100 })).await;
        assert!(answer.status == 200 && answer.text.contains("test_complete"), "{path}: {}", answer.text);
    }
}

async fn cards(w: &mut World, id: &str) {
    let body = json!({ "type": "quota", "quotaAmount": 2.5, "count": 2, "note": "n" });
    let minted = w.step("POST", "/admin/quota-cards", &[], body).await;
    let nobody = w.t.anonymous();
    let body = json!({ "apiId": id, "code": minted["data"][0]["code"] });
    let redeemed = w.call_as(&nobody, "POST", "/apiStats/api/redeem-card", &[], body.clone()).await;
    assert_eq!(redeemed.json()["data"]["quotaAdded"], 2.5, "{}", redeemed.text);
    let again = w.call_as(&nobody, "POST", "/apiStats/api/redeem-card", &[], body).await;
    assert_eq!(again.status, 400, "{}", again.text);
    w.step("DELETE", "/admin/quota-cards/{id}", &[&text(&minted["data"][1]["id"])], Value::Null).await;
    let list = w.step("GET", "/admin/quota-cards", &[], Value::Null).await;
    assert_eq!((at(&list, "data.total"), at(&list, "data.cards.0.status")), (&json!(1), &json!("redeemed")));
    let stats = w.step("GET", "/admin/quota-cards/stats", &[], Value::Null).await;
    assert_eq!(at(&stats, "data.redeemed"), &json!(1));
    let body = json!({ "enabled": true, "maxTotalCostLimit": 2, "maxExpiryDays": 10 });
    w.step("PUT", "/admin/quota-cards/limits", &[], body).await;
    let limits = w.step("GET", "/admin/quota-cards/limits", &[], Value::Null).await;
    assert_eq!(limits["data"], json!({ "enabled": true, "maxExpiryDays": 10, "maxTotalCostLimit": 2.0 }));
    for body in [json!({ "quotaAmount": 2.5 }), json!({ "quotaAmount": 1, "expiresAt": "2026-03-20T00:00:00Z" })] {
        let refused = w.call("POST", "/admin/quota-cards", &[], body).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
    }
    let all = w.step("GET", "/admin/redemptions", &[], Value::Null).await;
    assert_eq!((at(&all, "data.total"), at(&all, "data.redemptions.0.status")), (&json!(1), &json!("active")));
    let one = text(at(&all, "data.redemptions.0.id"));
    let back = w.step("POST", "/admin/redemptions/{id}/revoke", &[&one], json!({ "reason": "by mistake" })).await;
    assert_eq!(at(&back, "data.actualDeducted"), &json!(2.5));
    let twice = w.call("POST", "/admin/redemptions/{id}/revoke", &[&one], json!({})).await;
    assert_eq!(twice.status, 400, "{}", twice.text);
    let all = w.step("GET", "/admin/redemptions", &[], Value::Null).await;
    assert_eq!(at(&all, "data.redemptions.0.status"), &json!("revoked"));
}

async fn reports(w: &mut World, id: &str) {
    for (pattern, wanted) in [
        (
            "/admin/dashboard",
            &[
                "data.overview.accountsByPlatform.claude.normal",
                "data.recentActivity.tokensToday",
                "data.systemAverages.rpm",
                "data.realtimeMetrics.windowMinutes",
                "data.systemHealth.uptime",
            ][..],
        ),
        ("/admin/usage-stats", &["data.stats.0.usage.requests"]),
        ("/admin/model-stats", &["data.0.costs.total", "data.0.period"]),
        ("/admin/usage-trend", &["data.6.date", "data.6.totalTokens", "granularity"]),
        ("/admin/usage-trend?granularity=hour", &["data.23.hour", "data.23.label"]),
        ("/admin/account-usage-trend?group=claude", &["data.6.accounts", "topAccounts", "totalAccounts", "groupLabel"]),
        ("/admin/api-keys-usage-trend", &["data.6.apiKeys", "topApiKeys.0", "totalApiKeys"]),
        ("/admin/usage-costs?period=today", &["data.totalCosts.formatted.totalCost", "data.modelCosts.0.costs.total"]),
        ("/admin/api-keys/used-models", &["data.0"]),
        ("/admin/request-details", &["data.records.0.model", "data.summary.totalRequests", "data.captureEnabled"]),
    ] {
        let shown = w.step("GET", pattern, &[], Value::Null).await;
        has(&shown, wanted);
    }
    for (pattern, wanted) in [
        ("/admin/api-keys/{keyId}/cost-debug", &["data.costStats.total", "dailyCost"][..]),
        ("/admin/api-keys/{keyId}/model-stats", &["data.0.allTokens"]),
        ("/admin/api-keys/{keyId}/usage-records", &["data.records.0.accountName", "data.apiKeyInfo.name"]),
    ] {
        let shown = w.step("GET", pattern, &[id], Value::Null).await;
        has(&shown, wanted);
    }
    let stats =
        w.step("POST", "/admin/api-keys/batch-stats", &[], json!({ "keyIds": [id], "timeRange": "today" })).await;
    assert_eq!(stats["data"][id]["requests"], 1, "{stats}");
    let last = w.step("POST", "/admin/api-keys/batch-last-usage", &[], json!({ "keyIds": [id, "nobody"] })).await;
    assert_eq!((&last["data"][id]["accountName"], &last["data"]["nobody"]), (&json!("at work"), &Value::Null));
    let records = w.step("GET", "/admin/request-details", &[], Value::Null).await;
    let call = text(&records["data"]["records"][0]["id"]);
    let one = w.step("GET", "/admin/request-details/{requestId}", &[&call], Value::Null).await;
    assert_eq!(at(&one, "data.record.apiKeyId"), &json!(id));
    w.step("POST", "/admin/cleanup", &[], Value::Null).await;
}

async fn system(w: &mut World) {
    let nobody = w.t.anonymous();
    let page = nobody.with("referer", &format!("{}/admin-next/login", w.t.url));
    let shown = w.call_as(&page, "GET", "/admin/oem-settings", &[], Value::Null).await;
    has(&shown.json(), &["data.siteName", "data.siteIcon", "data.siteIconData", "data.showAdminButton"]);
    let kept = w.step("PUT", "/admin/oem-settings", &[], json!({ "siteName": "Mine", "showAdminButton": false })).await;
    assert_eq!((at(&kept, "data.siteName"), at(&kept, "data.showAdminButton")), (&json!("Mine"), &json!(false)));
    for (method, pattern, body) in [
        ("GET", "/admin/check-updates", Value::Null),
        ("GET", "/admin/claude-code-version", Value::Null),
        ("POST", "/admin/claude-code-version/clear", Value::Null),
        ("GET", "/admin/claude-relay-config", Value::Null),
        ("GET", "/admin/concurrency-queue/stats", Value::Null),
        ("GET", "/admin/service-rates", Value::Null),
        ("PUT", "/admin/service-rates", json!({ "rates": { "claude": 1.5 } })),
        ("GET", "/admin/models/pricing", Value::Null),
        ("GET", "/admin/models/pricing/status", Value::Null),
        ("PUT", "/admin/claude-relay-config", json!({ "concurrentRequestQueueEnabled": true })),
    ] {
        w.step(method, pattern, &[], body).await;
    }
    let list = "{\"a-model\": {\"input_cost_per_token\": 0.000001, \"output_cost_per_token\": 0.000002}}";
    let (url, _) = crate::crs_console::server(vec![list.into()]).await;
    w.set(&[("prices_url", &url)]).await;
    w.step("POST", "/admin/models/pricing/refresh", &[], Value::Null).await;
    let prices = w.step("GET", "/admin/models/pricing", &[], Value::Null).await;
    assert_eq!(at(&prices, "data.a-model.input_cost_per_token"), &json!(0.000_001));
}

async fn webhooks(w: &mut World) {
    let (url, heard) = crate::crs_console::server(vec!["ok".into(), "ok".into()]).await;
    let host = url.trim_start_matches("http://").split('/').next().unwrap_or("").to_owned();
    w.set(&[("webhook_allowed_hosts", &host)]).await;
    w.step("POST", "/admin/webhook/config", &[], json!({ "enabled": true, "platforms": [] })).await;
    let body = json!({ "type": "custom", "name": "mine", "url": url, "enableSign": true, "secret": "s3cret" });
    let added = w.step("POST", "/admin/webhook/platforms", &[], body).await;
    let id = text(&added["platform"]["id"]);
    w.step("PUT", "/admin/webhook/platforms/{id}", &[&id], json!({ "name": "ours" })).await;
    let shown = w.step("GET", "/admin/webhook/config", &[], Value::Null).await;
    assert_eq!(
        (at(&shown, "config.platforms.0.name"), at(&shown, "config.platforms.0.secret")),
        (&json!("ours"), &json!("***"))
    );
    w.step("POST", "/admin/webhook/test", &[], json!({ "id": id })).await;
    w.step("POST", "/admin/webhook/test-notification", &[], json!({ "type": "systemError" })).await;
    assert_eq!(heard.lock().expect("a lock").len(), 2);
    w.step("POST", "/admin/webhook/platforms/{id}/toggle", &[&id], Value::Null).await;
    w.step("DELETE", "/admin/webhook/platforms/{id}", &[&id], Value::Null).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_answers_what_it_promises() {
    let app = TestApp::builder().clock_at(Time::parse("2026-03-01T10:30:00Z").expect("a time")).start().await;
    let mut w = World::of(app).await;
    people_and_sessions(&mut w).await;
    groups(&mut w).await;
    let (id, secret) = keys(&mut w).await;
    logins(&mut w).await;
    cookies(&mut w).await;
    accounts(&mut w).await;
    w.console_account("at work").await;
    let said = w.say_hello(&secret).await;
    assert_eq!(said.status, 200, "{}", said.text);
    w.booked(1).await;
    reports(&mut w, &id).await;
    public_pages(&mut w, &id, &secret).await;
    trials(&mut w, &secret).await;
    cards(&mut w, &id).await;
    system(&mut w).await;
    webhooks(&mut w).await;
    pages::people(&mut w).await;
    pages::accounts_and_contents(&mut w).await;
    let mut missed = w.missed(TABLE);
    missed.retain(|line| !line.ends_with(" /") && !line.contains("/admin-next"));
    assert!(missed.is_empty(), "nobody called {missed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_fit_are_bad_requests() {
    let w = World::new().await;
    // Endpoints that take a body read it before anything else; those without take none.
    let bodiless = [
        "/toggle",
        "/toggle-schedulable",
        "/reset-status",
        "/reset-rate-limit",
        "/reset-usage",
        "/reset-all-usage",
        "/refresh",
        "/update-profile",
        "/update-all-profiles",
        "/health-check",
        "/disable-keys",
        "/body-preview-purge",
        "/health-check-all",
        "/generate-jwt-token",
        "/restore",
        "/cleanup",
        "/clear",
        "/logout",
        "/migrate-api-keys-azure",
    ];
    let broken = |client: &Client, method: &str, path: &str, body: &'static str| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        client.request(method, path).header("content-type", "application/json").body(body)
    };
    for row in TABLE.iter().filter(|r| matches!(r.method, "POST" | "PUT" | "PATCH")) {
        if bodiless.iter().any(|end| row.path.ends_with(end)) {
            continue;
        }
        let path: Vec<&str> = row.path.split('/').map(|p| if p.starts_with('{') { "x" } else { p }).collect();
        let path = path.join("/");
        for body in ["[1]", "{\"a\":", "\"text\""] {
            let answer = w.admin.send(broken(&w.admin, row.method, &path, body)).await;
            assert_eq!(answer.status, 400, "{} {path} with {body}: {}", row.method, answer.text);
            assert!(answer.json()["error"].is_string() && answer.json()["message"].is_string(), "{}", answer.text);
        }
    }
}

/// The console's own window of tags makes them before any key carries them.
async fn what_the_page_of_tags_sends(w: &mut World) {
    w.step("POST", "/admin/api-keys/tags", &[], json!({ "name": "fresh" })).await;
    for (again, why) in [("fresh", "标签已存在"), ("u", "标签已存在"), ("", "标签名称不能为空")] {
        let refused = w.call("POST", "/admin/api-keys/tags", &[], json!({ "name": again })).await;
        assert!(refused.status == 400 && refused.text.contains(why), "{again}: {}", refused.text);
    }
    let told = w.step("GET", "/admin/api-keys/tags/details", &[], Value::Null).await;
    let fresh = json!({ "name": "fresh", "count": 0 });
    assert!(told["data"].as_array().is_some_and(|tags| tags.contains(&fresh)), "{told}");
    let renamed = w.step("PUT", "/admin/api-keys/tags/{name}", &["fresh"], json!({ "newName": "later" })).await;
    assert_eq!(renamed["data"]["affectedCount"], json!(0));
    w.step("DELETE", "/admin/api-keys/tags/{name}", &["later"], Value::Null).await;
    let gone = w.call("DELETE", "/admin/api-keys/tags/{name}", &["later"], Value::Null).await;
    assert_eq!(gone.status, 404, "{}", gone.text);
    assert!(!w.step("GET", "/admin/api-keys/tags", &[], Value::Null).await.to_string().contains("later"));
}
