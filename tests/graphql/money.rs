//! Wallets through the graph.

use harness::{TestApp, at};
use schema::{Micros, Role};
use serde_json::{Value, json};

const ADJUST: &str = "mutation ($i: WalletAdjustInput!) { walletAdjust(input: $i) { \
     ledgerEntry { id amount balanceAfter } user { balance } userErrors { code detail field } } }";

async fn id_of(client: &harness::Client, name: &str) -> Value {
    let found =
        client.data("query ($s: String) { users(filter: { search: $s }) { nodes { id } } }", json!({ "s": name }));
    at(&found.await, "users.nodes.0.id").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_moves_once_under_a_key() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    app.person("ann", Role::User, Micros::ZERO).await;
    let ann = id_of(&admin, "ann").await;
    let give =
        |amount: &str| json!({ "i": { "userId": ann, "amount": amount, "note": "gift", "clientMutationKey": "k1" } });
    let first = admin.data(ADJUST, give("2.5")).await;
    assert_eq!(at(&first, "walletAdjust.user.balance"), &json!("2.500000"));
    let again = admin.data(ADJUST, give("2.5")).await;
    assert_eq!(at(&again, "walletAdjust.ledgerEntry.id"), at(&first, "walletAdjust.ledgerEntry.id"));
    assert_eq!(at(&again, "walletAdjust.user.balance"), &json!("2.500000"));
    let other = admin.data(ADJUST, give("3")).await;
    assert_eq!(at(&other, "walletAdjust.userErrors.0.code"), &json!("IDEMPOTENCY_KEY_REUSED"));
    let too_much = json!({ "i": { "userId": ann, "amount": "-2.500001" } });
    let refused = admin.data(ADJUST, too_much).await;
    assert_eq!(at(&refused, "walletAdjust.userErrors.0.code"), &json!("QUOTA_EXCEEDED"));
    assert_eq!(at(&refused, "walletAdjust.user"), &Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_made_once_under_a_key() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let make = "mutation ($i: UserCreateInput!) { userCreate(input: $i) { user { id } userErrors { code } } }";
    let input = |name: &str| json!({ "i": { "username": name, "password": "long-enough-1", "balance": "5", "clientMutationKey": "k" } });
    let first = admin.data(make, input("ann")).await;
    let again = admin.data(make, input("ann")).await;
    assert!(at(&first, "userCreate.user.id").is_string());
    assert_eq!(first, again);
    let other = admin.data(make, input("bob")).await;
    assert_eq!(at(&other, "userCreate.userErrors.0.code"), &json!("IDEMPOTENCY_KEY_REUSED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_reads_their_own_ledger_and_no_other() {
    let app = TestApp::new().await;
    app.person("bob", Role::User, Micros(3_000_000)).await;
    let ann = app.user("ann").await;
    let admin = app.admin().await;
    let bob = id_of(&admin, "bob").await;
    let list = "query ($u: ID) { ledgerEntries(userId: $u) { nodes { kind amount user { username } } totalCount } }";
    let all = admin.data(list, json!({})).await;
    assert_eq!(at(&all, "ledgerEntries.nodes.0.user.username"), &json!("bob"));
    assert_eq!(at(&all, "ledgerEntries.totalCount"), &json!("1"));
    assert_eq!(at(&ann.data(list, json!({})).await, "ledgerEntries.nodes"), &json!([]));
    let foreign = ann.graphql(list, json!({ "u": bob })).await;
    assert_eq!(at(&foreign, "errors.0.extensions.code"), &json!("NOT_FOUND"), "{foreign}");
    let node = "query ($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } }";
    let foreign = ann.data(node, json!({ "id": bob })).await;
    assert_eq!(foreign, json!({ "node": null, "nodes": [null] }));
    let known = admin.data(node, json!({ "id": bob })).await;
    assert_eq!(known, json!({ "node": { "id": bob }, "nodes": [{ "id": bob }] }));
}
