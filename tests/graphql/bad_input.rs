//! What cannot be meant: each malformed value is answered with a code and words for people, and changes nothing.

use harness::{Client, TestApp, at};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::id;

/// Everything a change would show in.
const STATE: &str = "{ users(first: 100) { nodes { username displayName balance version } totalCount } \
     apiKeys(first: 100) { nodes { name version limits { dailyCost } } totalCount } \
     accounts { nodes { name version } totalCount } plans { nodes { slug version } totalCount } \
     cards { totalCount } announcements { totalCount } models(first: 1) { totalCount } \
     priceRatios { groups { name factor } } auditLog { totalCount } }";

/// Asks and expects a refusal of one of these codes, in words for people.
async fn refuses(client: &Client, query: &str, variables: Value, wanted: &[&str]) {
    let answer = client.graphql(query, variables.clone()).await;
    let (code, message) = match answer["errors"].get(0) {
        Some(error) => (at(error, "extensions.code"), &error["message"]),
        None => {
            let field = answer["data"].as_object().and_then(|d| d.values().next()).cloned().unwrap_or_default();
            let error = field["userErrors"][0].clone();
            assert!(error.is_object(), "{query} {variables} was taken: {answer}");
            return told(query, &error["code"], &error["message"], wanted);
        }
    };
    told(query, code, message, wanted);
}

fn told(query: &str, code: &Value, message: &Value, wanted: &[&str]) {
    let (code, message) = (code.as_str().unwrap_or(""), message.as_str().unwrap_or(""));
    assert!(wanted.contains(&code), "{query}: {code:?}, {message}");
    assert!(message.len() > 8, "{query}: no words: {message:?}");
    for inner in ["diesel", "rusqlite", "SELECT", "panicked", "ParseIntError", "serde", "src/"] {
        assert!(!message.contains(inner), "{query}: {message}");
    }
}

const INPUT: &[&str] = &["BAD_USER_INPUT", "INVALID", "GRAPHQL_VALIDATION_FAILED"];

async fn world() -> (TestApp, Client) {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    for (query, input) in [
        (
            "mutation ($i: UserCreateInput!) { userCreate(input: $i) { userErrors { message } } }",
            json!({ "username": "ann", "password": "a long password" }),
        ),
        (
            "mutation ($i: ApiKeyCreateInput!) { apiKeyCreate(input: $i) { userErrors { message } } }",
            json!({ "name": "k" }),
        ),
        (
            "mutation ($i: AccountCreateInput!) { accountCreate(input: $i) { userErrors { message } } }",
            json!({ "kind": "OPENAI_KEY", "name": "a", "credentials": { "keys": ["sk-one"] } }),
        ),
    ] {
        let made = admin.data(query, json!({ "i": input })).await;
        assert!(made.to_string().contains("\"userErrors\":[]"), "{made}");
    }
    (app, admin)
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_ids_and_cursors_are_refused() {
    let (_app, admin) = world().await;
    let long = "x".repeat(100_000);
    let mut wrong: Vec<String> = ["", "7", "%%%", "VXNlcjo", "VXNlcjotMQ", "\u{0}"].map(str::to_owned).to_vec();
    wrong.extend([long.clone(), id("User", "9".repeat(30)), id("Nothing", 1), id("Account", "1\u{0}")]);
    for wrong in wrong {
        for query in [
            "query ($id: ID!) { node(id: $id) { id } }",
            "query ($id: ID!) { nodes(ids: [$id]) { id } }",
            "query ($id: ID!) { apiKey(id: $id) { id } }",
            "query ($id: ID!) { usageRecords(filter: { apiKeyId: $id }) { totalCount } }",
            "query ($id: ID!) { usageSums(filter: { apiKeyIds: [$id] }) { requests } }",
            "mutation ($id: ID!) { apiKeyDelete(input: { id: $id }) { userErrors { code message } } }",
            "mutation ($id: ID!) { accountsDelete(input: { ids: [$id] }) { userErrors { code message } } }",
            "mutation ($id: ID!) { walletAdjust(input: { userId: $id, amount: \"1\" }) { userErrors { code message } } }",
        ] {
            refuses(&admin, query, json!({ "id": wrong }), INPUT).await;
        }
    }
    let many: Vec<String> = (0..101).map(|n| id("User", n + 1)).collect();
    refuses(&admin, "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({ "ids": many }), INPUT).await;
    for wrong in ["", "garbage", "bm9uc2Vuc2U", "\u{0}", long.as_str()] {
        for list in
            ["users", "apiKeys", "accounts", "usageRecords", "tasks", "models", "orders", "ledgerEntries", "auditLog"]
        {
            let query = format!("query ($c: String!) {{ {list}(first: 2, after: $c) {{ nodes {{ id }} }} }}");
            refuses(&admin, &query, json!({ "c": wrong }), INPUT).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_beyond_sense_are_refused_and_change_nothing() {
    let (_app, admin) = world().await;
    let before = admin.data(STATE, json!({})).await;
    let user = at(&admin.data("{ viewer { id } }", json!({})).await, "viewer.id").clone();
    let key = at(&admin.data("{ apiKeys { nodes { id } } }", json!({})).await, "apiKeys.nodes.0.id").clone();
    let long = "x".repeat(70_000);
    // Pages and reports.
    for size in [
        "first: 0",
        "first: -1",
        "first: 101",
        "last: 0",
        "first: 1, last: 1",
        "first: 99999999999",
        "first: 1.5",
        "first: \"2\"",
    ] {
        refuses(&admin, &format!("{{ users({size}) {{ nodes {{ id }} }} }}"), json!({}), INPUT).await;
    }
    for query in [
        "{ users(filter: { role: { eq: KING } }) { totalCount } }",
        "{ users(filter: { nonsense: 1 }) { totalCount } }",
        "{ users(orderBy: { field: PASSWORD }) { totalCount } }",
        "{ users(filter: { createdAt: { gte: \"yesterday\" } }) { totalCount } }",
        "{ users(filter: { createdAt: { gte: \"2026-02-30\" } }) { totalCount } }",
        "{ users(filter: { createdAt: { gte: 12 } }) { totalCount } }",
        "{ usageSeries(grain: MINUTE) { points { at } } }",
        "{ usageSeries(grain: HOUR, filter: { at: { gte: \"2000-01-01\" } }) { points { at } } }",
        "{ usageSeries(grain: DAY, filter: { at: { gte: \"2026-02-01\", lt: \"2026-01-01\" } }) { points { at } } }",
        "{ usageSums(filter: { period: TODAY, at: { gte: \"2026-01-01\" } }) { requests } }",
        "{ usageLeaderboard(by: MODEL, first: 101) { place } }",
        "{ modelLeaderboard(first: 0) { place } }",
        "{ revenueByDay(from: \"soon\") { label } }",
        "{ revenueByDay(from: \"2026-02-02\", until: \"2026-01-01\") { label } }",
        "{ revenueByMonth(year: 99999) { label } }",
        "{ revenueByMonth(year: 1) { label } }",
        "{ revenueGrowth(months: 0) { month } }",
        "{ revenueGrowth(months: 61) { month } }",
        "{ model { name } }",
        "{ task(id: \"VGFzazox\", uid: \"x\") { id } }",
        "mutation { usageRecordsDelete(input: { before: \"2999-01-01\" }) { userErrors { code message } } }",
    ] {
        refuses(&admin, query, json!({}), INPUT).await;
    }
    // Amounts, counts, texts.
    for (field, kind, input) in [
        ("walletAdjust", "WalletAdjustInput", json!({ "userId": user, "amount": "1.0000001" })),
        ("walletAdjust", "WalletAdjustInput", json!({ "userId": user, "amount": 1.5 })),
        ("walletAdjust", "WalletAdjustInput", json!({ "userId": user, "amount": "99999999999999999999" })),
        ("walletAdjust", "WalletAdjustInput", json!({ "userId": user, "amount": "NaN" })),
        ("apiKeyChange", "ApiKeyChangeInput", json!({ "id": key, "limits": { "concurrency": "-1" } })),
        ("apiKeyChange", "ApiKeyChangeInput", json!({ "id": key, "limits": { "concurrency": "9223372036854775808" } })),
        ("apiKeyChange", "ApiKeyChangeInput", json!({ "id": key, "limits": { "dailyCost": "-1" } })),
        ("apiKeyChange", "ApiKeyChangeInput", json!({ "id": key, "name": "" })),
        ("apiKeyChange", "ApiKeyChangeInput", json!({ "id": key, "name": "a\u{0}b" })),
        ("apiKeyChange", "ApiKeyChangeInput", json!({ "id": key, "name": long })),
        ("apiKeyChange", "ApiKeyChangeInput", json!({ "id": key, "tags": ["a"], "addTags": ["b"] })),
        ("apiKeyChange", "ApiKeyChangeInput", json!({ "id": key, "rules": { "allowedIps": ["300.1.1.1"] } })),
        ("apiKeyChange", "ApiKeyChangeInput", json!({ "id": key, "expiresAt": "2026-13-01T00:00:00Z" })),
        ("apiKeyCreate", "ApiKeyCreateInput", json!({ "name": "k", "clientMutationKey": "" })),
        ("apiKeyCreate", "ApiKeyCreateInput", json!({ "name": "k", "clientMutationKey": "\u{0}" })),
        ("apiKeyCreate", "ApiKeyCreateInput", json!({ "name": "k", "prefix": "XX" })),
        ("apiKeysCreate", "ApiKeysCreateInput", json!({ "count": 501, "each": { "name": "k" } })),
        ("userCreate", "UserCreateInput", json!({ "username": "a\u{0}", "password": "a long password" })),
        ("userCreate", "UserCreateInput", json!({ "username": "bob", "password": "short" })),
        (
            "userCreate",
            "UserCreateInput",
            json!({ "username": "bob", "password": "a long password", "email": "nowhere" }),
        ),
        ("userCreate", "UserCreateInput", json!({ "username": "bob", "password": long })),
        ("userChange", "UserChangeInput", json!({ "id": user, "displayName": long })),
        ("userChange", "UserChangeInput", json!({ "id": user, "preferences": [1] })),
        ("userChange", "UserChangeInput", json!({ "id": user, "status": "ASLEEP" })),
        ("cardsGenerate", "CardsGenerateInput", json!({ "count": 0, "value": "1" })),
        ("cardsGenerate", "CardsGenerateInput", json!({ "count": 10001, "value": "1" })),
        ("cardsGenerate", "CardsGenerateInput", json!({ "count": 1 })),
        ("cardsGenerate", "CardsGenerateInput", json!({ "count": 1, "value": "-1" })),
        (
            "planCreate",
            "PlanCreateInput",
            json!({ "slug": "a b", "name": "p", "price": { "amount": "1", "currency": "XXX" }, "cycle": "MONTHLY" }),
        ),
        (
            "planCreate",
            "PlanCreateInput",
            json!({ "slug": "p", "name": "p", "price": { "amount": "0.001", "currency": "USD" }, "cycle": "MONTHLY" }),
        ),
        (
            "accountCreate",
            "AccountCreateInput",
            json!({ "kind": "OPENAI_COMPATIBLE", "name": "a", "baseUrl": "file:///etc/passwd", "credentials": { "keys": ["k"] } }),
        ),
        ("modelCreate", "ModelCreateInput", json!({ "name": " " })),
        (
            "modelCreate",
            "ModelCreateInput",
            json!({ "name": "m", "price": { "rates": { "input": "-1", "output": "1" } } }),
        ),
        ("modelCreate", "ModelCreateInput", json!({ "name": "m", "contextWindow": "-5" })),
        ("modelPricesImport", "ModelPricesImportInput", json!({ "file": "no json" })),
        ("modelPricesImport", "ModelPricesImportInput", json!({ "file": "[1, 2]" })),
        ("priceRatiosPut", "PriceRatiosPutInput", json!({ "groups": [{ "name": "g", "factor": "-1" }] })),
        ("settingsPut", "SettingsPutInput", json!({ "settings": [{ "name": "no_such_setting", "value": "1" }] })),
        (
            "settingsPut",
            "SettingsPutInput",
            json!({ "settings": [{ "name": "registration_enabled", "value": "perhaps" }] }),
        ),
        ("announcementCreate", "AnnouncementCreateInput", json!({ "title": "", "content": "x" })),
        ("connectStart", "ConnectStartInput", json!({ "flow": "FACEBOOK" })),
        ("connectFinish", "ConnectFinishInput", json!({ "flow": "CLAUDE", "sessionId": "x", "code": "y" })),
        (
            "connectFinish",
            "ConnectFinishInput",
            json!({ "flow": "CLAUDE", "sessionId": "x", "code": "y", "name": "n" }),
        ),
    ] {
        let query = format!("mutation ($i: {kind}!) {{ {field}(input: $i) {{ userErrors {{ code message }} }} }}");
        refuses(&admin, &query, json!({ "i": input }), INPUT).await;
    }
    // The words are for people: what was wrong, not which types led there.
    let query = "{ users(filter: { createdAt: { gte: \"0000-00-00\" } }) { totalCount } }";
    let told = admin.graphql(query, json!({})).await;
    let message = at(&told, "errors.0.message").as_str().unwrap_or("").to_owned();
    assert!(message.contains("no moment such as 2026-01-31T12:00:00Z") && !message.contains("Filter"), "{message}");
    assert_eq!(admin.data(STATE, json!({})).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_requests_are_refused() {
    let (_app, admin) = world().await;
    let send = async |body: Vec<u8>| {
        let request = admin.request(Method::POST, "/graphql").header("content-type", "application/json").body(body);
        let answer = admin.send(request).await;
        let json = answer.json();
        (answer.status.as_u16(), at(&json, "errors.0.extensions.code").as_str().unwrap_or("").to_owned(), json)
    };
    let large = format!("{{\"query\":\"{{ viewer {{ id }} }}\",\"extra\":\"{}\"}}", "x".repeat(2 << 20));
    let (status, code, told) = send(large.into_bytes()).await;
    assert_eq!((status, code.as_str()), (413, "BAD_REQUEST"), "{told}");
    for body in [
        b"{\"query\":\"{ viewer { id } }\xff\"}".to_vec(),
        b"".to_vec(),
        b"null".to_vec(),
        b"[{\"query\":\"{ viewer { id } }\"}]".to_vec(),
        b"{\"query\": 7}".to_vec(),
        b"{\"query\":\"{ viewer { id } }\",\"variables\":[]}".to_vec(),
        b"{\"query\":".to_vec(),
        b"\xef\xbb\xbf\x00".to_vec(),
    ] {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let (status, code, told) = send(body).await;
        assert!((400..500).contains(&status), "{shown}: {status}");
        assert_eq!(code, "BAD_REQUEST", "{shown}: {told}");
        assert!(told["errors"][0]["message"].as_str().is_some_and(|m| m.len() > 8), "{shown}: {told}");
        assert!(told.get("data").is_none(), "{shown}: {told}");
    }
    // A NUL in the document itself is no GraphQL.
    refuses(&admin, "{ viewer { id \u{0} } }", json!({}), &["GRAPHQL_PARSE_FAILED"]).await;
    let deep = format!("{}{}", "{ nodes".repeat(200), "}".repeat(200));
    let answer = admin.graphql(&deep, json!({})).await;
    assert!(at(&answer, "errors.0.extensions.code").is_string(), "{answer}");
}
