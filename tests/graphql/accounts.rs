//! Accounts and their groups: what opens them is taken and never shown; health is told as it changes.

use harness::{TestApp, at};
use schema::bus::Event;
use schema::model::account::Health;
use schema::service::account::{Mark, mark};
use serde_json::{Value, json};

const CREATE: &str = "mutation ($i: AccountCreateInput!) { accountCreate(input: $i) { \
     account { id name kind service maskedKey version credentials { kind keyCount } proxy { kind host port hasPassword } \
     options { region modelMapping { from to } } accountGroups { name } } userErrors { field code message } } }";

async fn add(admin: &harness::Client, input: Value) -> Value {
    let made = admin.data(CREATE, json!({ "i": input })).await;
    assert_eq!(at(&made, "accountCreate.userErrors"), &json!([]), "{made}");
    at(&made, "accountCreate.account").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_opens_an_account_is_taken_and_never_shown() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let account = add(
        &admin,
        json!({ "kind": "CLAUDE_CONSOLE", "name": "c", "credentials": { "keys": ["sk-ant-hush-hush", "sk-ant-hush-two"] },
            "proxy": { "kind": "SOCKS5", "host": "127.0.0.1", "port": 1080, "username": "u", "password": "hush" },
            "options": { "region": "eu", "modelMapping": [{ "from": "a", "to": "b" }] } }),
    )
    .await;
    assert_eq!(account["credentials"], json!({ "kind": "keys", "keyCount": 2 }));
    assert_eq!(account["proxy"], json!({ "kind": "SOCKS5", "host": "127.0.0.1", "port": 1080, "hasPassword": true }));
    assert_eq!(account["options"], json!({ "region": "eu", "modelMapping": [{ "from": "a", "to": "b" }] }));
    let everything =
        admin.data("{ auditLog { nodes { before after } } accounts { nodes { info maskedKey } } }", json!({}));
    assert!(!everything.await.to_string().contains("hush-hush") && !account.to_string().contains("hush-hush"));

    let change = "mutation ($i: AccountChangeInput!) { accountChange(input: $i) { account { name enabled options { region } proxy { host } } userErrors { code } } }";
    let input = json!({ "i": { "id": account["id"], "enabled": false, "proxy": null, "options": { "region": null } } });
    let changed = admin.data(change, input).await;
    assert_eq!(
        at(&changed, "accountChange.account"),
        &json!({ "name": "c", "enabled": false, "options": { "region": null }, "proxy": null })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_a_kind_is_refused_with_its_field() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    for (input, field) in [
        (json!({ "kind": "CLAUDE_CONSOLE", "name": "c" }), json!(["credentials"])),
        (json!({ "kind": "OPENAI_COMPATIBLE", "name": "c", "credentials": { "keys": ["k"] } }), json!(["baseUrl"])),
    ] {
        let refused = admin.data(CREATE, json!({ "i": input })).await;
        assert_eq!(at(&refused, "accountCreate.userErrors.0.field"), &field, "{refused}");
    }
    for input in [
        json!({ "kind": "CLAUDE_CONSOLE", "name": "c", "credentials": { "keys": ["k"], "serviceAccount": "{}" } }),
        json!({ "kind": "CLAUDE_CONSOLE", "name": "c", "credentials": {} }),
        json!({ "kind": "PUNCHED_CARD", "name": "c" }),
    ] {
        let refused = admin.graphql(CREATE, json!({ "i": input })).await;
        assert_eq!(at(&refused, "errors.0.extensions.code"), &json!("BAD_USER_INPUT"), "{refused}");
    }
    let none = admin.data("{ accounts { totalCount } }", json!({})).await;
    assert_eq!(at(&none, "accounts.totalCount"), &json!("0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_hold_accounts_of_their_service() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let group = "mutation ($i: AccountGroupCreateInput!) { accountGroupCreate(input: $i) { accountGroup { id } userErrors { code } } }";
    let group = admin.data(group, json!({ "i": { "name": "g", "platform": "CLAUDE" } })).await;
    let group = at(&group, "accountGroupCreate.accountGroup.id").clone();
    let claude = add(
        &admin,
        json!({ "kind": "CLAUDE_CONSOLE", "name": "c", "credentials": { "keys": ["k1"] },
        "accountGroupIds": [group] }),
    )
    .await;
    assert_eq!(claude["accountGroups"], json!([{ "name": "g" }]));
    let gemini = add(&admin, json!({ "kind": "GEMINI_KEY", "name": "x", "credentials": { "keys": ["k2"] } })).await;
    let join = "mutation ($i: AccountGroupMemberInput!) { accountGroupAdd(input: $i) { accountGroup { accountCount } userErrors { code } } }";
    let refused = admin.data(join, json!({ "i": { "id": group, "accountId": gemini["id"] } })).await;
    assert!(at(&refused, "accountGroupAdd.userErrors.0.code").is_string(), "{refused}");
    let delete =
        "mutation ($i: AccountGroupInput!) { accountGroupDelete(input: $i) { deletedId userErrors { code detail } } }";
    let refused = admin.data(delete, json!({ "i": { "id": group } })).await;
    assert_eq!(at(&refused, "accountGroupDelete.userErrors.0.detail"), &json!("GROUP_HAS_MEMBERS"));
    let members = admin
        .data("{ accountGroups { nodes { accountCount accounts { name } } } accounts(filter: { ungrouped: true }) { nodes { name } } }", json!({}))
        .await;
    assert_eq!(at(&members, "accountGroups.nodes.0"), &json!({ "accountCount": "1", "accounts": [{ "name": "c" }] }));
    assert_eq!(at(&members, "accounts.nodes"), &json!([{ "name": "x" }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_as_it_changes_and_anew_after_a_loss() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let account =
        add(&admin, json!({ "kind": "CLAUDE_CONSOLE", "name": "c", "credentials": { "keys": ["k1"] } })).await;
    let row = schema::service::account::all(&app.app).await.unwrap()[0].id;
    let mut socket =
        admin.watch("subscription { accountHealth { health note missed account { name } } }", json!({})).await;
    let found = Mark { health: Health::Blocked, cool_until: None, note: "the vendor said no", status: 403 };
    assert!(mark(&app.app, row, found).await.unwrap());
    assert_eq!(
        socket.event().await["accountHealth"],
        json!({ "health": "BLOCKED", "note": "the vendor said no", "missed": false, "account": { "name": "c" } })
    );
    app.app.bus.publish(Event::Resync).await;
    let anew = socket.event().await;
    assert_eq!(
        (at(&anew, "accountHealth.health"), at(&anew, "accountHealth.missed")),
        (&json!("BLOCKED"), &json!(true))
    );

    let reset = "mutation ($i: AccountInput!) { accountResetStatus(input: $i) { account { health events { nodes { health status } } } userErrors { code } } }";
    let done = admin.data(reset, json!({ "i": { "id": account["id"] } })).await;
    assert_eq!(at(&done, "accountResetStatus.account.health"), &json!("OK"));
    assert_eq!(at(&socket.event().await, "accountHealth.health"), &json!("OK"));
    assert!(
        at(&done, "accountResetStatus.account.events.nodes")
            .as_array()
            .unwrap()
            .iter()
            .any(|e| e["status"] == json!(403))
    );
}
