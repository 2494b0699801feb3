//! Exports through the graph and over plain HTTP.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use harness::{Client, TestApp, at, scaled};
use schema::Time;
use serde_json::{Value, json};

use crate::world::{a_key, codes, id, refused};

const CREATE: &str = "mutation ($i: ExportCreateInput!) { exportCreate(input: $i) { \
     export { id status kind format rowCount downloadUrl user { username } } userErrors { code detail field } } }";
const CANCEL: &str = "mutation ($id: ID!) { exportCancel(input: { id: $id }) { \
     export { status downloadUrl } userErrors { code detail } } }";

async fn order(client: &Client, input: Value) -> Value {
    let made = client.data(CREATE, json!({ "i": input })).await;
    at(&made, "exportCreate").clone()
}

/// An export once it has ended.
async fn ended(client: &Client, export: &Value) -> Value {
    let query =
        "query ($id: ID!) { export(id: $id) { id status failReason rowCount byteCount downloadUrl expiresAt } }";
    let start = Instant::now();
    loop {
        let now = client.data(query, json!({ "id": export })).await;
        let now = at(&now, "export").clone();
        if !["PENDING", "RUNNING"].contains(&now["status"].as_str().unwrap_or("")) {
            return now;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{now}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn path(export: &Value) -> String {
    let url = export["downloadUrl"].as_str().unwrap_or_else(|| panic!("no file: {export}"));
    url[url.find("/exports/").unwrap()..].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_ordered_watched_and_downloaded() {
    let app = TestApp::new().await;
    let ann = app.user("ann").await;
    let me = ann.data("{ viewer { databaseId } }", json!({})).await;
    let me: i64 = at(&me, "viewer.databaseId").as_str().unwrap().parse().unwrap();
    a_key(&app, me, "=first").await;
    a_key(&app, me, "second").await;
    a_key(&app, app.person("bob", schema::Role::User, schema::Micros::ZERO).await.id, "foreign").await;

    let mut watching =
        ann.watch("subscription { exportChanged { status missed export { downloadUrl } } }", json!({})).await;
    let made = order(&ann, json!({ "rows": { "apiKeys": {} } })).await;
    assert_eq!(at(&made, "export.user.username"), "ann");
    assert_eq!((&made["export"]["kind"], &made["export"]["format"]), (&json!("API_KEYS"), &json!("CSV")));
    let mut told = Vec::new();
    while told.last() != Some(&json!("READY")) {
        told.push(at(&watching.event().await, "exportChanged.status").clone());
    }
    assert!(told.contains(&json!("PENDING")) && told.contains(&json!("RUNNING")), "{told:?}");
    let done = ended(&ann, &made["export"]["id"]).await;
    assert_eq!((&done["rowCount"], &done["failReason"]), (&json!("2"), &Value::Null));

    // Any process hands it out.
    let mut clients = vec![ann.clone()];
    let peer = if scaled() { Some(app.peer().await) } else { None };
    clients.extend(peer.iter().map(|peer| Client::new(&peer.url, ann.token.as_deref())));
    for client in &clients {
        let file = client.get(&path(&done)).await;
        assert_eq!(file.status, 200, "{}", file.text);
        assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
        assert!(file.header("content-disposition").starts_with("attachment; filename=\"api-keys-"));
        assert_eq!(file.header("cache-control"), "no-store");
        let mut lines = file.text.strip_prefix('\u{feff}').unwrap().lines();
        assert!(lines.next().unwrap().starts_with("id,uid,ownerId,owner,name,"));
        let rows: Vec<&str> = lines.collect();
        assert_eq!(rows.len(), 2);
        assert!(rows[0].contains(",ann,second,") && rows[1].contains(",ann,'=first,"), "{rows:?}");
    }

    let lines = order(&ann, json!({ "rows": { "apiKeys": { "search": "sec" } }, "format": "JSONL" })).await;
    let done = ended(&ann, &lines["export"]["id"]).await;
    let file = ann.get(&path(&done)).await;
    let only: Value = serde_json::from_str(file.text.trim()).unwrap();
    assert_eq!((&only["name"], &only["owner"]), (&json!("second"), &json!("ann")));

    let admin = app.admin().await;
    let log = "{ auditLog(filter: { targetKind: \"export\" }) { nodes { action actorName face } totalCount } }";
    let log = admin.data(log, json!({})).await;
    let nodes = at(&log, "auditLog.nodes").as_array().unwrap();
    let of = |action: &str| nodes.iter().filter(|n| n["action"] == action && n["actorName"] == "ann").count();
    assert_eq!((of("export.create"), of("export.download")), (2, clients.len() + 1), "{log}");
    let seen = ann.data("{ exports(first: 1) { nodes { id } totalCount pageInfo { hasNextPage } } }", json!({})).await;
    assert_eq!(at(&seen, "exports.totalCount"), "2");
    assert_eq!(at(&seen, "exports.nodes.0.id"), &lines["export"]["id"]);
    let node =
        ann.data("query ($id: ID!) { node(id: $id) { __typename id } }", json!({ "id": lines["export"]["id"] })).await;
    assert_eq!(at(&node, "node.__typename"), "Export");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_has_any_of_it() {
    let app = TestApp::new().await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let made = order(&ann, json!({ "rows": { "usageRecords": {} } })).await;
    let done = ended(&ann, &made["export"]["id"]).await;
    let file = path(&done);
    for (client, status, code) in [(&app.anonymous(), 401, "UNAUTHENTICATED"), (&bob, 404, "NOT_FOUND")] {
        for method in ["GET", "HEAD"] {
            let answer = client.call(method, &file, Value::Null).await;
            assert_eq!(answer.status, status, "{method}: {}", answer.text);
            if method == "GET" {
                assert_eq!(at(&answer.json(), "errors.0.extensions.code"), code);
            }
        }
    }
    assert_eq!(ann.bearer("no.such.token").get(&file).await.status, 401);
    for (wrong, status) in [
        ("/exports/x", 400),
        (&*format!("/exports/{}", id("User", 1)), 400),
        (&*format!("/exports/{}", id("Export", 987)), 404),
    ] {
        assert_eq!(ann.get(wrong).await.status, status, "{wrong}");
    }
    let head = ann.call("HEAD", &file, Value::Null).await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, done["byteCount"].as_str().unwrap()));

    let whose = json!({ "id": made["export"]["id"] });
    let query = "query ($id: ID!) { export(id: $id) { id } node(id: $id) { id } exports { totalCount } }";
    let seen = bob.data(query, whose.clone()).await;
    assert_eq!(seen, json!({ "export": null, "node": null, "exports": { "totalCount": "0" } }));
    assert_eq!(refused(&bob, CANCEL, whose.clone()).await, ["NOT_FOUND"]);
    let ann_id = at(&ann.data("{ viewer { id } }", json!({})).await, "viewer.id").clone();
    let query = "query ($u: ID) { exports(userId: $u) { totalCount } }";
    assert_eq!(refused(&bob, query, json!({ "u": ann_id })).await, ["NOT_FOUND"]);
    for (rows, code) in
        [(json!({ "ledgerEntries": {} }), "NOT_FOUND"), (json!({ "usageRecords": {} }), "BAD_USER_INPUT")]
    {
        assert_eq!(refused(&bob, CREATE, json!({ "i": { "rows": rows, "userId": ann_id } })).await, [code], "{rows}");
    }
    let foreign = json!({ "i": { "rows": { "usageRecords": { "userId": ann_id } } } });
    assert_eq!(refused(&bob, CREATE, foreign).await, ["NOT_FOUND"]);
    for kind in ["users", "cards", "auditLog", "requestLogs"] {
        let told = refused(&bob, CREATE, json!({ "i": { "rows": { kind: {} } } })).await;
        assert!(
            told == ["FORBIDDEN"] || told == ["BAD_USER_INPUT"] || told == ["GRAPHQL_VALIDATION_FAILED"],
            "{kind}: {told:?}"
        );
    }
    assert_eq!(at(&bob.data("{ exports { totalCount } }", json!({})).await, "exports.totalCount"), "0");

    let bad = bob.graphql(CREATE, json!({ "i": { "rows": { "orders": { "planId": "nonsense" } } } })).await;
    assert_eq!(codes(&bad), ["BAD_USER_INPUT"]);
    assert_eq!(at(&bad, "errors.0.extensions.field"), "rows.orders.planId");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_orders_at_once_one_wins_and_a_key_makes_one() {
    let app = TestApp::builder().clock_at(Time(1_790_000_000_000)).start().await;
    let ann = app.user("ann").await;
    let input = json!({ "rows": { "ledgerEntries": {} } });
    let answers = join_all((0..8).map(|_| order(&ann, input.clone()))).await;
    let won: Vec<&Value> = answers.iter().filter(|a| a["export"].is_object()).collect();
    // The background may have finished one in between; never are two open.
    assert!(!won.is_empty());
    for lost in answers.iter().filter(|a| a["export"].is_null()) {
        assert_eq!(lost["userErrors"], json!([{ "code": "CONFLICT", "detail": "EXPORT_RUNNING", "field": null }]));
    }
    for made in won {
        ended(&ann, &made["export"]["id"]).await;
    }

    let keyed = json!({ "rows": { "apiKeys": { "state": "ACTIVE" } }, "clientMutationKey": "k" });
    let first = order(&ann, keyed.clone()).await;
    let again = order(&ann, keyed.clone()).await;
    assert_eq!(first["export"]["id"], again["export"]["id"], "{again}");
    app.app.clock.advance(1_000);
    assert_eq!(order(&ann, keyed).await["export"]["id"], first["export"]["id"]);
    let other = json!({ "rows": { "apiKeys": {} }, "clientMutationKey": "k" });
    assert_eq!(order(&ann, other).await["userErrors"][0]["code"], "IDEMPOTENCY_KEY_REUSED");

    // A file that is cancelled, and one whose time is over, are gone.
    let done = ended(&ann, &first["export"]["id"]).await;
    let file = path(&done);
    let told = ann.data(CANCEL, json!({ "id": done["id"] })).await;
    assert_eq!(at(&told, "exportCancel.export"), &json!({ "status": "CANCELLED", "downloadUrl": null }));
    let gone = ann.get(&file).await;
    assert_eq!((gone.status.as_u16(), at(&gone.json(), "errors.0.extensions.detail")), (410, &json!("EXPORT_GONE")));
    let twice = ann.data(CANCEL, json!({ "id": done["id"] })).await;
    assert_eq!(at(&twice, "exportCancel.userErrors.0.detail"), "EXPORT_ENDED");
    let last = order(&ann, input).await;
    let done = ended(&ann, &last["export"]["id"]).await;
    let token = ann.data("mutation { accessTokenCreate(input: {}) { token } }", json!({})).await;
    let ann = ann.bearer(at(&token, "accessTokenCreate.token").as_str().unwrap());
    assert_eq!(ann.get(&path(&done)).await.status, 200);
    app.app.clock.advance(24 * 3_600_000);
    assert_eq!(ann.get(&path(&done)).await.status, 410);
    let late = ann.data("query ($id: ID!) { export(id: $id) { downloadUrl } }", json!({ "id": done["id"] })).await;
    assert_eq!(at(&late, "export.downloadUrl"), &Value::Null);
}
