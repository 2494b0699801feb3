//! Filters made of filters: all, any, none of them; how many there may be; and pages over them.

use harness::{Client, PASSWORD, TestApp, at};
use schema::model::account::AccountKind;
use schema::model::request_log::{LogKind, NewRequestLog, RequestLog};
use schema::service::settle::Settlement;
use schema::{Micros, Role};
use serde_json::{Value, json};

use crate::world::{a_call, a_key, a_person, an_account, book, id, refused};

/// The rows of a list that a filter finds, by one of their fields, in the order of the list; and how many are counted.
async fn found(client: &Client, list: &str, kind: &str, field: &str, filter: &Value) -> Vec<String> {
    let query =
        format!("query ($f: {kind}!) {{ {list}(first: 100, filter: $f) {{ nodes {{ {field} }} totalCount }} }}");
    let data = client.data(&query, json!({ "f": filter })).await;
    let rows = at(&data, &format!("{list}.nodes")).as_array().cloned().unwrap_or_default();
    let rows: Vec<String> = rows.iter().map(|row| row[field].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(at(&data, &format!("{list}.totalCount")), &json!(rows.len().to_string()), "{filter}");
    rows
}

async fn sorted(client: &Client, list: &str, kind: &str, field: &str, filter: Value) -> Vec<String> {
    let mut rows = found(client, list, kind, field, &filter).await;
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_by_all_any_and_none() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    for name in ["ann", "bob", "cid"] {
        a_person(&app, name).await;
    }
    app.person("dan", Role::Admin, Micros::ZERO).await;
    let people = async |filter: Value| sorted(&admin, "users", "UserFilter", "username", filter).await;
    let named = |name: &str| json!({ "search": name });
    assert_eq!(people(json!({ "or": [named("ann"), named("dan")] })).await, ["ann", "dan"]);
    assert_eq!(people(json!({ "role": { "eq": "USER" }, "or": [named("ann"), named("dan")] })).await, ["ann"]);
    assert_eq!(people(json!({ "and": [named("a"), named("n")], "not": named("dm") })).await, ["ann", "dan"]);
    assert_eq!(
        people(json!({ "not": { "or": [named("ann"), { "role": { "eq": "ADMIN" } }] } })).await,
        ["admin", "bob", "cid"]
    );
    assert_eq!(people(json!({ "not": { "not": named("bob") } })).await, ["bob"]);
    assert_eq!(people(json!({ "and": [] , "search": "bob" })).await, ["bob"]);
    assert!(people(json!({ "not": {} })).await.is_empty());
    // Whoever has no address is none whose address is searched for.
    assert_eq!(people(json!({ "not": { "search": "nobody" } })).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_goes_on_where_the_last_one_ended() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    for name in ["ann", "bob", "cid", "dan", "eve"] {
        a_person(&app, name).await;
    }
    let query = "query ($f: UserFilter, $after: String, $before: String, $first: Int, $last: Int) { \
                 users(first: $first, last: $last, after: $after, before: $before, filter: $f, \
                 orderBy: { field: USERNAME, direction: ASC }) { nodes { username } totalCount \
                 pageInfo { hasNextPage hasPreviousPage endCursor } } }";
    let any = ["ann", "cid", "eve"].map(|name| json!({ "search": name }));
    let filter = json!({ "or": any });
    let (mut after, mut names) = (Value::Null, Vec::new());
    loop {
        let page = admin.data(query, json!({ "f": filter, "first": 1, "after": after })).await;
        assert_eq!(at(&page, "users.totalCount"), &json!("3"));
        names.push(at(&page, "users.nodes.0.username").clone());
        after = at(&page, "users.pageInfo.endCursor").clone();
        if at(&page, "users.pageInfo.hasNextPage") == &json!(false) {
            break;
        }
    }
    assert_eq!(names, ["ann", "cid", "eve"]);
    let back = admin.data(query, json!({ "f": filter, "last": 1, "before": after })).await;
    assert_eq!(at(&back, "users.nodes"), &json!([{ "username": "cid" }]));
    assert_eq!(at(&back, "users.pageInfo.hasPreviousPage"), &json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_found_within_what_one_may_see() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let (ann, bob) = (a_person(&app, "ann").await, a_person(&app, "bob").await);
    let mut rows = Vec::new();
    for (owner, name) in [(ann, "one"), (ann, "two"), (ann, "three"), (bob, "four")] {
        rows.push(a_key(&app, owner, name).await.id);
    }
    let delete = "mutation ($i: ApiKeyInput!) { apiKeyDelete(input: $i) { userErrors { code } } }";
    admin.data(delete, json!({ "i": { "id": id("ApiKey", rows[2]) } })).await;
    let keys = async |client: &Client, filter: Value| sorted(client, "apiKeys", "ApiKeyFilter", "name", filter).await;
    let named = |name: &str| json!({ "search": name });
    let either = json!({ "or": [named("one"), named("four")] });
    assert_eq!(keys(&admin, either.clone()).await, ["four", "one"]);
    assert_eq!(keys(&admin, json!({ "not": named("one") })).await, ["four", "two"]);
    assert_eq!(keys(&admin, json!({ "and": [named("o"), { "ownerId": id("User", ann) }] })).await, ["one", "two"]);
    // The deleted are there when any part asks for them.
    assert_eq!(keys(&admin, json!({ "or": [{ "state": "DELETED" }, named("four")] })).await, ["four", "three"]);
    assert_eq!(keys(&admin, json!({ "and": [{ "state": "DELETED" }, named("three")] })).await, ["three"]);
    assert!(keys(&admin, json!({ "and": [{ "state": "DELETED" }, { "state": "ACTIVE" }] })).await.is_empty());
    // Whoever has no end is none whose end lies before a moment.
    let ended = json!({ "expiresAt": { "lt": "2020-01-01" } });
    assert_eq!(keys(&admin, json!({ "not": ended })).await, ["four", "one", "two"]);
    // A whole key is found by its text, wherever it stands.
    let made = "mutation ($i: ApiKeyCreateInput!) { apiKeyCreate(input: $i) { secret } }";
    let made = admin.data(made, json!({ "i": { "name": "five" } })).await;
    let secret = at(&made, "apiKeyCreate.secret").clone();
    assert_eq!(keys(&admin, json!({ "or": [{ "search": secret }, named("four")] })).await, ["five", "four"]);

    let own = app.sign_in("ann", PASSWORD).await;
    assert_eq!(keys(&own, either).await, ["one"]);
    assert_eq!(keys(&own, json!({ "not": named("one") })).await, ["two"], "others' keys are no answer");
    let list = "query ($f: ApiKeyFilter) { apiKeys(filter: $f) { totalCount } }";
    for foreign in [json!({ "or": [{ "ownerId": id("User", bob) }] }), json!({ "not": { "state": "DELETED" } })] {
        assert_eq!(refused(&own, list, json!({ "f": foreign })).await, ["FORBIDDEN"], "{foreign}");
    }
    // A person's own list, for many people together.
    let nested = "query ($f: ApiKeyFilter) { users(filter: { role: { eq: USER } }, orderBy: { field: USERNAME, \
                  direction: ASC }) { nodes { apiKeys(filter: $f) { nodes { name } totalCount } } } }";
    let nested = admin.data(nested, json!({ "f": { "or": [named("two"), named("four")] } })).await;
    assert_eq!(at(&nested, "users.nodes.0.apiKeys"), &json!({ "nodes": [{ "name": "two" }], "totalCount": "1" }));
    assert_eq!(at(&nested, "users.nodes.1.apiKeys"), &json!({ "nodes": [{ "name": "four" }], "totalCount": "1" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_found_by_all_any_and_none() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    an_account(&app, AccountKind::OpenaiKey, "open", None).await;
    an_account(&app, AccountKind::GeminiKey, "gem", None).await;
    an_account(&app, AccountKind::ClaudeConsole, "sonnet", None).await;
    let accounts = async |filter: Value| sorted(&admin, "accounts", "AccountFilter", "name", filter).await;
    let open = json!({ "kind": { "eq": "OPENAI_KEY" } });
    assert_eq!(accounts(json!({ "or": [open, { "search": "sonnet" }] })).await, ["open", "sonnet"]);
    assert_eq!(accounts(json!({ "not": open })).await, ["gem", "sonnet"]);
    assert_eq!(accounts(json!({ "and": [open, { "search": "pen" }, { "ungrouped": true }] })).await, ["open"]);
    assert!(accounts(json!({ "and": [open, { "search": "gem" }] })).await.is_empty());
    // A refusal of a field names the place of its filter.
    let query = "query ($f: AccountFilter) { accounts(filter: $f) { totalCount } }";
    let wrong = json!({ "f": { "or": [open, { "not": { "tokenExpiresAt": { "gt": "2020-01-01" } } }] } });
    let told = admin.graphql(query, wrong).await;
    assert_eq!(at(&told, "errors.0.extensions.code"), &json!("BAD_USER_INPUT"), "{told}");
    assert_eq!(at(&told, "errors.0.extensions.field"), &json!("filter.or.1.not.tokenExpiresAt"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_requests_are_found_by_all_any_and_none() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let (ann, bob) = (a_person(&app, "ann").await, a_person(&app, "bob").await);
    let now = app.app.clock.now();
    let mut logs = Vec::new();
    for (n, (path, status, user)) in
        [("/a", 200, Some(ann)), ("/b", 404, None), ("/c", 500, Some(bob)), ("/d", 200, Some(bob))].iter().enumerate()
    {
        logs.push(NewRequestLog {
            at: now,
            kind: LogKind::Api,
            face: "test".into(),
            method: "GET".into(),
            path: (*path).into(),
            status: *status,
            user_id: *user,
            ip: "127.0.0.1".into(),
            agent: String::new(),
            duration_ms: 1,
            request_size: 1,
            response_size: 1,
            request_id: n.to_string(),
        });
    }
    RequestLog::insert_all(&mut app.app.db.conn().await.unwrap(), &logs).await.unwrap();
    let requests = async |filter: Value| {
        let filter = json!({ "face": "test", "and": [filter] });
        sorted(&admin, "requestLogs", "RequestLogFilter", "path", filter).await
    };
    assert_eq!(requests(json!({ "or": [{ "status": 404 }, { "status": 500 }] })).await, ["/b", "/c"]);
    assert_eq!(requests(json!({ "userId": id("User", bob), "not": { "status": 200 } })).await, ["/c"]);
    assert_eq!(requests(json!({ "not": { "userId": id("User", bob) } })).await, ["/a", "/b"], "nobody is not bob");
    assert_eq!(requests(json!({ "and": [{ "path": "/" }, { "status": 200 }] })).await, ["/a", "/d"]);

    let key = a_key(&app, ann, "one").await;
    let account = an_account(&app, AccountKind::OpenaiKey, "open", None).await.id;
    let (own, others) = (a_call(ann, key.id, account, now), a_call(bob, key.id, account, now));
    let failed = Settlement { status: 500, ..a_call(ann, key.id, account, now) };
    let wanted = [own.call_id.clone(), failed.call_id.clone(), others.call_id.clone()];
    book(&app, [own, failed, others]).await;
    let call = "query ($f: UsageRecordFilter) { usageRecords(filter: $f) { totalCount } \
                usageRecordStats(filter: $f) { requests errors } }";
    let either = json!({ "f": { "or": [{ "failed": true }, { "search": wanted[2] }] } });
    let all = admin.data(call, either.clone()).await;
    assert_eq!(at(&all, "usageRecords.totalCount"), &json!("2"));
    assert_eq!(at(&all, "usageRecordStats"), &json!({ "requests": "2", "errors": "1" }));
    // Nobody finds another's calls by joining filters.
    let ann = app.sign_in("ann", PASSWORD).await;
    assert_eq!(at(&ann.data(call, either).await, "usageRecords.totalCount"), &json!("1"));
    let none = json!({ "f": { "not": { "failed": true } } });
    assert_eq!(at(&ann.data(call, none).await, "usageRecords.totalCount"), &json!("1"));
    let by_account = json!({ "f": { "or": [{ "accountId": id("Account", account) }] } });
    assert_eq!(refused(&ann, call, by_account).await.first().map(String::as_str), Some("FORBIDDEN"));
}

/// So many filters, each denying the next.
fn deep(levels: usize) -> Value {
    (0..levels).fold(json!({ "search": "x" }), |inner, _| json!({ "not": inner }))
}

#[tokio::test(flavor = "multi_thread")]
async fn too_deep_too_many_and_none_at_all_are_refused() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let many = |count: usize| json!({ "or": vec![json!({ "search": "x" }); count] });
    let mut lists = Vec::new();
    for (list, kind) in [
        ("users", "UserFilter"),
        ("apiKeys", "ApiKeyFilter"),
        ("accounts", "AccountFilter"),
        ("models", "ModelFilter"),
        ("cards", "CardFilter"),
        ("orders", "OrderFilter"),
        ("tasks", "TaskFilter"),
        ("announcements", "AnnouncementFilter"),
        ("accountGroups", "AccountGroupFilter"),
        ("usageRecords", "UsageRecordFilter"),
    ] {
        lists.push(format!("query ($f: {kind}) {{ {list}(filter: $f) {{ nodes {{ id }} totalCount }} }}"));
    }
    for query in &lists {
        for fine in [deep(4), many(32)] {
            admin.data(query, json!({ "f": fine })).await;
        }
        for (wrong, field) in [
            (deep(5), "filter.not.not.not.not.not"),
            (many(33), "filter.or.32"),
            (json!({ "or": [] }), "filter.or"),
            (json!({ "and": [{ "not": { "or": [] } }] }), "filter.and.0.not.or"),
        ] {
            let told = admin.graphql(query, json!({ "f": wrong })).await;
            assert_eq!(at(&told, "errors.0.extensions.code"), &json!("BAD_USER_INPUT"), "{query}: {told}");
            assert_eq!(at(&told, "errors.0.extensions.field"), &json!(field), "{query}: {told}");
        }
    }
    // The lists whose filters search for no text are joined as well.
    for (list, kind, own) in [
        ("ledgerEntries", "LedgerEntryFilter", json!({ "kind": { "eq": "PAYMENT" } })),
        ("auditLog", "AuditFilter", json!({ "action": "user.change" })),
        ("exports", "ExportFilter", json!({ "kind": "USERS" })),
        ("cardRedemptions", "CardRedemptionFilter", json!({ "createdAt": { "gte": "2020-01-01" } })),
        ("subscriptions", "PlanSubscriptionFilter", json!({ "endsAfter": "2020-01-01T00:00:00Z" })),
        ("paymentEvents", "PaymentEventFilter", json!({ "provider": "stripe" })),
        ("requestLogs", "RequestLogFilter", json!({ "face": "none" })),
    ] {
        let query = format!("query ($f: {kind}) {{ {list}(filter: $f) {{ totalCount nodes {{ id }} }} }}");
        let filter = json!({ "and": [own], "or": [own, { "not": own }] });
        let data = admin.data(&query, json!({ "f": filter })).await;
        assert!(at(&data, &format!("{list}.totalCount")).is_string(), "{data}");
        assert_eq!(refused(&admin, &query, json!({ "f": { "or": [] } })).await, ["BAD_USER_INPUT"], "{list}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_takes_the_same_filters() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let order =
        "mutation ($i: ExportCreateInput!) { exportCreate(input: $i) { export { status } userErrors { code } } }";
    let rows = json!({ "users": { "or": [{ "search": "ann" }, { "not": { "role": { "eq": "USER" } } }] } });
    let made = admin.data(order, json!({ "i": { "rows": rows } })).await;
    assert_eq!(at(&made, "exportCreate.userErrors"), &json!([]), "{made}");
    let wrong = json!({ "i": { "rows": { "apiKeys": { "not": { "or": [] } } } } });
    let told = admin.graphql(order, wrong).await;
    assert_eq!(at(&told, "errors.0.extensions.field"), &json!("rows.apiKeys.not.or"), "{told}");
}
