//! Usage: calls, sums, series and leaderboards, the dashboard, revenue; each caller sees their own.

use harness::{PASSWORD, TestApp, at};
use schema::Time;
use schema::clock::{DAY, HOUR};
use schema::model::account::AccountKind;
use schema::service::settle::Recorded;
use serde_json::{Value, json};

use crate::world::{a_call, a_key, a_person, an_account, book, id};

/// 2026-03-14T10:00:00Z, a Saturday.
const NOW: Time = Time(1_773_482_400_000);

struct Books {
    app: TestApp,
    ann: i64,
    key: i64,
    account: i64,
}

/// Ann called four times (once yesterday, once in vain, once another model), bob once.
async fn books() -> Books {
    let app = TestApp::builder().clock_at(NOW).start().await;
    let ann = a_person(&app, "ann").await;
    let bob = a_person(&app, "bob").await;
    let (key, other) = (a_key(&app, ann, "k").await.id, a_key(&app, bob, "b").await.id);
    let account = an_account(&app, AccountKind::OpenaiKey, "a", None).await.id;
    let at = NOW.plus(-HOUR);
    let mut failed = a_call(ann, key, 0, at);
    (failed.status, failed.error_code, failed.cost, failed.raw_cost) = (502, "upstream".into(), 0, 0);
    let mut claude = a_call(ann, key, account, at);
    (claude.model, claude.dialect, claude.cost) = ("claude-sonnet-4".into(), "anthropic".into(), 5_000);
    let calls = [
        a_call(ann, key, account, at),
        a_call(ann, key, account, NOW.plus(-DAY)),
        failed,
        claude,
        a_call(bob, other, account, at),
    ];
    book(&app, calls).await;
    Books { app, ann, key, account }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_listed_with_what_belongs_to_them() {
    let Books { app, ann, key, account } = books().await;
    let client = app.sign_in("ann", PASSWORD).await;
    let own = client
        .data(
            "query ($k: ID!) { usageRecords { totalCount nodes { model status failed cost inputTokens user { username } apiKey { name } } } \
             inVain: usageRecords(filter: { failed: true }) { totalCount nodes { errorCode } } \
             claude: usageRecords(filter: { models: [\"claude-sonnet-4\"], apiKeyId: $k }) { totalCount } \
             today: usageRecords(filter: { at: { gte: \"2026-03-14\" } }) { totalCount } \
             usageRecordStats { requests errors tokens cost } }",
            json!({ "k": id("ApiKey", key) }),
        )
        .await;
    assert_eq!(at(&own, "usageRecords.totalCount"), "4");
    assert_eq!(at(&own, "inVain"), &json!({ "totalCount": "1", "nodes": [{ "errorCode": "upstream" }] }));
    assert_eq!((at(&own, "claude.totalCount"), at(&own, "today.totalCount")), (&json!("1"), &json!("3")));
    assert_eq!(
        at(&own, "usageRecordStats"),
        &json!({ "requests": "4", "errors": "1", "tokens": "120", "cost": "0.007000" })
    );
    let first = at(&own, "usageRecords.nodes.0");
    assert_eq!((&first["user"]["username"], &first["apiKey"]["name"]), (&json!("ann"), &json!("k")));

    // Pages follow one another without a gap.
    let query = "query ($c: String) { usageRecords(first: 1, after: $c) { nodes { callId } pageInfo { hasNextPage endCursor } } }";
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page = client.data(query, json!({ "c": cursor })).await;
        seen.push(at(&page, "usageRecords.nodes.0.callId").as_str().unwrap().to_owned());
        cursor = at(&page, "usageRecords.pageInfo.endCursor").clone();
        if at(&page, "usageRecords.pageInfo.hasNextPage") == false {
            break;
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4);

    // What only administrators learn is refused, field by field.
    let hidden = "{ usageRecords(filter: { failed: false }) { nodes { model upstreamModel rawCost details account { name } } } }";
    let told = client.graphql(hidden, json!({})).await;
    assert_eq!(at(&told, "errors.0.extensions.code"), "FORBIDDEN");
    assert_eq!(at(&told, "data.usageRecords.nodes.0.account"), &Value::Null);
    let admin = app.admin().await;
    let all = admin
        .data(
            "query ($a: ID!, $u: ID!) { usageRecords(filter: { accountId: $a, userId: $u }) { totalCount nodes { upstreamModel rawCost account { name } details } } }",
            json!({ "a": id("Account", account), "u": id("User", ann) }),
        )
        .await;
    assert_eq!(at(&all, "usageRecords.totalCount"), "3");
    assert_eq!(at(&all, "usageRecords.nodes.0.account.name"), "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_shown_to_administrators_where_it_was_recorded() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let put = "mutation { settingsPut(input: { settings: [{ name: \"record_content\", value: \"true\" }] }) { userErrors { message } } }";
    let done = admin.data(put, json!({})).await;
    assert_eq!(at(&done, "settingsPut.userErrors"), &json!([]), "{done}");
    let ann = a_person(&app, "ann").await;
    let key = a_key(&app, ann, "k").await.id;
    let mut call = a_call(ann, key, 0, app.app.clock.now());
    call.content = Some(Recorded { user_message: "hello".into(), ..Recorded::default() });
    book(&app, [call]).await;
    let query = "{ usageRecords { nodes { content { userMessage } } } }";
    let told = admin.data(query, json!({})).await;
    assert_eq!(at(&told, "usageRecords.nodes.0.content.userMessage"), "hello");
    let refused = app.sign_in("ann", PASSWORD).await.graphql(query, json!({})).await;
    assert_eq!(at(&refused, "errors.0.extensions.code"), "FORBIDDEN");
    assert!(!refused.to_string().contains("hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_series_and_leaderboards_agree() {
    let Books { app, .. } = books().await;
    let admin = app.admin().await;
    let query = "{ usageSums { requests errors cost rawCost successRate } \
         today: usageSums(filter: { period: TODAY }) { requests } \
         claude: usageSums(filter: { models: [\"claude-sonnet-4\"] }) { requests cost } \
         days: usageSeries(grain: DAY) { points { label sums { requests } } lines { total { requests } } groupCount } \
         byModel: usageSeries(grain: HOUR, by: MODEL, first: 1) { points { label } lines { key { model } total { cost } sums { cost } } groupCount } \
         keys: usageLeaderboard(by: API_KEY) { place share key { apiKey { name } } sums { cost } } \
         people: usageLeaderboard(by: USER, measure: REQUESTS) { key { user { username } } sums { requests } } \
         accounts: usageLeaderboard(by: ACCOUNT, measure: REQUESTS) { key { account { name } } sums { requests } } \
         dialects: usageLeaderboard(by: DIALECT, first: 1) { key { dialect model } } }";
    let told = admin.data(query, json!({})).await;
    assert_eq!(
        at(&told, "usageSums"),
        &json!({ "requests": "5", "errors": "1", "cost": "0.008000", "rawCost": "0.008000", "successRate": 80.0 })
    );
    assert_eq!(at(&told, "today.requests"), "4");
    assert_eq!(at(&told, "claude"), &json!({ "requests": "1", "cost": "0.005000" }));
    let days = at(&told, "days.points").as_array().unwrap();
    assert_eq!(days.len(), 7);
    assert_eq!(days[6], json!({ "label": "2026-03-14", "sums": { "requests": "4" } }));
    assert_eq!(days[5]["sums"]["requests"], "1");
    assert_eq!((at(&told, "days.lines"), at(&told, "days.groupCount")), (&json!([]), &Value::Null));
    assert_eq!(at(&told, "byModel.groupCount"), "2");
    assert_eq!(at(&told, "byModel.lines.0.key.model"), "claude-sonnet-4");
    let hours = at(&told, "byModel.points").as_array().unwrap().len();
    assert_eq!(at(&told, "byModel.lines.0.sums").as_array().unwrap().len(), hours);
    assert_eq!(
        at(&told, "keys.0"),
        &json!({ "place": 1, "share": 87.5, "key": { "apiKey": { "name": "k" } }, "sums": { "cost": "0.007000" } })
    );
    assert_eq!(
        at(&told, "people.0"),
        &json!({ "key": { "user": { "username": "ann" } }, "sums": { "requests": "4" } })
    );
    assert_eq!(at(&told, "accounts.0"), &json!({ "key": { "account": { "name": "a" } }, "sums": { "requests": "4" } }));
    assert_eq!(at(&told, "accounts.1.key.account"), &Value::Null, "a call that reached no account");
    assert_eq!(at(&told, "dialects.0.key"), &json!({ "dialect": "anthropic", "model": null }));

    let ann = app.sign_in("ann", PASSWORD).await;
    let own = ann
        .data("{ usageSums { requests cost } usageLeaderboard(by: USER) { sums { requests } } \
               viewer { usage { requests } today: usage(period: TODAY) { requests } yesterday: usage(period: YESTERDAY) { requests } \
               apiKeys { nodes { usage(period: LAST_30_DAYS) { requests } } } } \
               usageCosts { total { total } models { name costs { total } sums { requests } } } }", json!({}))
        .await;
    assert_eq!(at(&own, "usageSums"), &json!({ "requests": "4", "cost": "0.007000" }));
    assert_eq!(at(&own, "usageLeaderboard"), &json!([{ "sums": { "requests": "4" } }]));
    assert_eq!(at(&own, "viewer.usage.requests"), "4");
    assert_eq!((at(&own, "viewer.today.requests"), at(&own, "viewer.yesterday.requests")), (&json!("3"), &json!("1")));
    assert_eq!(at(&own, "viewer.apiKeys.nodes.0.usage.requests"), "4");
    assert_eq!(at(&own, "usageCosts.total.total"), "0.007000");
    assert_eq!(
        at(&own, "usageCosts.models.0"),
        &json!({ "name": "claude-sonnet-4", "costs": { "total": "0.005000" }, "sums": { "requests": "1" } })
    );
    let ranked = ann
        .data("{ modelLeaderboard(period: LAST_7_DAYS) { place name requests requestsBefore share } }", json!({}))
        .await;
    assert_eq!(
        at(&ranked, "modelLeaderboard.0"),
        &json!({ "place": 1, "name": "gpt-4o", "requests": "4", "requestsBefore": "0", "share": 80.0 })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_shows_usage_and_what_there_is() {
    let Books { app, .. } = books().await;
    let admin = app.admin().await;
    let told = admin
        .data("{ dashboard { usage { allTime { requests } today { requests } yesterday { requests } thisMonth { cost } \
               realtime { windowMinutes } activeKeyCount activeUserCount activeAccountCount } \
               userCount apiKeyCount accounts { total ok blocked } } \
               systemHealth { healthy version uptimeSeconds database { kind healthy } counters { kind healthy } journalFill relays } }", json!({}))
        .await;
    assert_eq!(at(&told, "dashboard.usage.allTime.requests"), "5");
    assert_eq!(
        (at(&told, "dashboard.usage.today.requests"), at(&told, "dashboard.usage.yesterday.requests")),
        (&json!("4"), &json!("1"))
    );
    assert_eq!(
        (at(&told, "dashboard.usage.activeKeyCount"), at(&told, "dashboard.usage.activeUserCount")),
        (&json!("2"), &json!("2"))
    );
    assert_eq!(at(&told, "dashboard.accounts"), &json!({ "total": "1", "ok": "1", "blocked": "0" }));
    assert_eq!((at(&told, "dashboard.userCount"), at(&told, "dashboard.apiKeyCount")), (&json!("3"), &json!("2")));
    let database = if harness::scaled() { "postgres" } else { "sqlite" };
    assert_eq!(at(&told, "systemHealth.healthy"), true);
    assert_eq!(at(&told, "systemHealth.database"), &json!({ "kind": database, "healthy": true }));
    assert_eq!(at(&told, "systemHealth.relays"), true);
}

#[tokio::test(flavor = "multi_thread")]
async fn revenue_is_told_by_day_month_plan_and_model() {
    let Books { app, .. } = books().await;
    let admin = app.admin().await;
    let told = admin
        .data("{ revenueOverview { today { sum { orderCount revenue { amount currency } } newUsers cardsRedeemed } userCount subscriberCount growthRate } \
               revenueByDay { label sum { orderCount } } revenueByMonth { label } revenueByPlan { percentage } \
               revenueByModel { model requests cost percentage } revenueGrowth(months: 3) { month newUsers rate } }", json!({}))
        .await;
    assert_eq!(at(&told, "revenueOverview.userCount"), "3");
    assert_eq!(at(&told, "revenueOverview.today.newUsers"), "3");
    assert_eq!(at(&told, "revenueByDay").as_array().unwrap().len(), 30);
    assert_eq!(at(&told, "revenueByDay.0.label"), "2026-03-14");
    assert_eq!(at(&told, "revenueByMonth").as_array().unwrap().len(), 3);
    assert_eq!(
        at(&told, "revenueByModel.0"),
        &json!({ "model": "claude-sonnet-4", "requests": "1", "cost": "0.005000", "percentage": 62.5 })
    );
    assert_eq!(at(&told, "revenueGrowth.2"), &json!({ "month": "2026-03", "newUsers": "3", "rate": 0.0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_can_be_forgotten_and_their_sums_stay() {
    let Books { app, .. } = books().await;
    let admin = app.admin().await;
    let delete =
        "mutation { usageRecordsDelete(input: { before: \"2026-03-14\" }) { deletedCount userErrors { code } } }";
    let done = admin.data(delete, json!({})).await;
    assert_eq!(at(&done, "usageRecordsDelete"), &json!({ "deletedCount": "1", "userErrors": [] }));
    let left = admin.data("{ usageRecords { totalCount } usageSums { requests } }", json!({})).await;
    assert_eq!(left, json!({ "usageRecords": { "totalCount": "4" }, "usageSums": { "requests": "5" } }));
}
