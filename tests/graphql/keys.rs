//! API keys: told once, held to their owner, changed with versions, in bulk, and by one winner.

use harness::{PASSWORD, TestApp, at};
use schema::{Micros, Role};
use serde_json::{Value, json};

const CREATE: &str = "mutation ($i: ApiKeyCreateInput!) { apiKeyCreate(input: $i) { \
     apiKey { id name maskedKey state version owner { username } } secret userErrors { field code } } }";
const CHANGE: &str = "mutation ($i: ApiKeyChangeInput!) { apiKeyChange(input: $i) { \
     apiKey { name enabled version tags limits { dailyCost concurrency } } userErrors { field code } } }";

async fn make(client: &harness::Client, name: &str) -> Value {
    let made = client.data(CREATE, json!({ "i": { "name": name } })).await;
    assert_eq!(at(&made, "apiKeyCreate.userErrors"), &json!([]), "{made}");
    at(&made, "apiKeyCreate.apiKey").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_told_once_and_only_its_mark_stays() {
    let app = TestApp::new().await;
    let ann = app.user("ann").await;
    let input = json!({ "i": { "name": "first", "prefix": "CR", "clientMutationKey": "k" } });
    let made = ann.data(CREATE, input.clone()).await;
    let secret = at(&made, "apiKeyCreate.secret").as_str().unwrap().to_owned();
    assert!(secret.starts_with("cr_") && secret.len() == 67);
    assert_eq!(at(&made, "apiKeyCreate.apiKey.owner.username"), &json!("ann"));
    // The same request again makes no second key.
    assert_eq!(ann.data(CREATE, input).await, made);
    let list =
        ann.data("{ apiKeys { totalCount nodes { maskedKey } } viewer { apiKeys { totalCount } } }", json!({})).await;
    assert_eq!(at(&list, "apiKeys.totalCount"), &json!("1"));
    assert_eq!(at(&list, "viewer.apiKeys.totalCount"), &json!("1"));
    assert!(!list.to_string().contains(&secret));

    let rotate = "mutation ($i: ApiKeyRotateInput!) { apiKeyRotate(input: $i) { secret userErrors { code } } }";
    let rotated = ann.data(rotate, json!({ "i": { "id": at(&made, "apiKeyCreate.apiKey.id") } })).await;
    let second = at(&rotated, "apiKeyRotate.secret").as_str().unwrap();
    assert!(second.starts_with("cr_") && second != secret);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_rename_at_once_one_wins() {
    let app = TestApp::new().await;
    let ann = app.user("ann").await;
    let key = make(&ann, "first").await;
    let change = |name: &str| {
        let input = json!({ "i": { "id": key["id"], "name": name, "expectedVersion": key["version"] } });
        let ann = ann.clone();
        async move { ann.data(CHANGE, input).await }
    };
    let (one, two) = tokio::join!(change("one"), change("two"));
    let codes: Vec<&Value> = [&one, &two].map(|a| at(a, "apiKeyChange.userErrors.0.code")).to_vec();
    assert!(codes.contains(&&json!(null)) && codes.contains(&&json!("STALE_VERSION")), "{one} {two}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_changes_and_the_rest_stays() {
    let app = TestApp::new().await;
    let ann = app.user("ann").await;
    let key = make(&ann, "first").await;
    let input =
        json!({ "i": { "id": key["id"], "limits": { "dailyCost": "2.5", "concurrency": 3 }, "tags": ["a", "b"] } });
    let changed = ann.data(CHANGE, input).await;
    assert_eq!(at(&changed, "apiKeyChange.apiKey.limits"), &json!({ "dailyCost": "2.500000", "concurrency": "3" }));
    let input = json!({ "i": { "id": key["id"], "limits": { "concurrency": 0 }, "addTags": ["c"], "enabled": false } });
    let changed = ann.data(CHANGE, input).await;
    let key_now = at(&changed, "apiKeyChange.apiKey");
    assert_eq!(key_now["limits"], json!({ "dailyCost": "2.500000", "concurrency": null }));
    assert_eq!(key_now["tags"], json!(["a", "b", "c"]));
    assert_eq!((&key_now["name"], &key_now["enabled"]), (&json!("first"), &json!(false)));
    let disabled = ann.data("{ apiKeys(filter: { state: DISABLED, tags: [\"c\"] }) { totalCount } }", json!({})).await;
    assert_eq!(at(&disabled, "apiKeys.totalCount"), &json!("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_nobody_elses_business() {
    let app = TestApp::new().await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let key = make(&ann, "first").await;
    let id = &key["id"];
    let seen = bob.data("query ($id: ID!) { apiKey(id: $id) { id } node(id: $id) { id } }", json!({ "id": id })).await;
    assert_eq!(seen, json!({ "apiKey": null, "node": null }));
    let changed = bob.data(CHANGE, json!({ "i": { "id": id, "name": "mine" } })).await;
    assert_eq!(at(&changed, "apiKeyChange.userErrors.0.code"), &json!("NOT_FOUND"));
    let list = "query ($f: ApiKeyFilter) { apiKeys(filter: $f) { totalCount } }";
    let owner = ann.data("{ viewer { id } }", json!({})).await;
    let foreign = bob.graphql(list, json!({ "f": { "ownerId": at(&owner, "viewer.id") } })).await;
    assert_eq!(at(&foreign, "errors.0.extensions.code"), &json!("FORBIDDEN"), "{foreign}");
    // Bindings are for administrators, and told so.
    let bindings = ann.graphql("{ apiKeys { nodes { name bindings { slot } } } }", json!({})).await;
    assert_eq!(at(&bindings, "data.apiKeys.nodes.0"), &json!({ "name": "first", "bindings": null }));
    assert_eq!(at(&bindings, "errors.0.extensions.code"), &json!("FORBIDDEN"));
    let admin = app.admin().await;
    let all = admin.data("{ apiKeys { nodes { owner { username } bindings { slot } } } }", json!({})).await;
    assert_eq!(at(&all, "apiKeys.nodes.0"), &json!({ "owner": { "username": "ann" }, "bindings": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_keys_at_a_time_each_with_its_own_answer() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let make_many = "mutation ($i: ApiKeysCreateInput!) { apiKeysCreate(input: $i) { issued { secret apiKey { id name } } userErrors { code } } }";
    let input = json!({ "i": { "count": 3, "each": { "name": "batch" } } });
    let made = admin.data(make_many, input).await;
    let names: Vec<&Value> =
        (0..3).map(|i| at(&made, "apiKeysCreate.issued").get(i).unwrap().pointer("/apiKey/name").unwrap()).collect();
    assert_eq!(names, [&json!("batch_1"), &json!("batch_2"), &json!("batch_3")]);
    let id = |i: usize| at(&made, &format!("apiKeysCreate.issued.{i}.apiKey.id")).clone();
    let gone = "QXBpS2V5Ojk5OTk"; // ApiKey:9999
    let delete = "mutation ($i: ApiKeysInput!) { apiKeysDelete(input: $i) { apiKeys { name state } userErrors { index code } } }";
    let done = admin.data(delete, json!({ "i": { "ids": [id(0), gone, id(1)] } })).await;
    assert_eq!(at(&done, "apiKeysDelete.userErrors"), &json!([{ "index": 1, "code": "NOT_FOUND" }]));
    assert_eq!(at(&done, "apiKeysDelete.apiKeys.0"), &json!({ "name": "batch_1", "state": "DELETED" }));
    let restore = "mutation ($i: ApiKeyInput!) { apiKeyRestore(input: $i) { apiKey { state } userErrors { code } } }";
    let back = admin.data(restore, json!({ "i": { "id": id(0) } })).await;
    assert_eq!(at(&back, "apiKeyRestore.apiKey.state"), &json!("ACTIVE"));
    let purge = "mutation { apiKeysPurgeDeleted { purgedCount } }";
    assert_eq!(at(&admin.data(purge, json!({})).await, "apiKeysPurgeDeleted.purgedCount"), &json!("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_whose_plan_is_full_gets_no_key() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    app.person("ann", Role::User, Micros::ZERO).await;
    let plan =
        "mutation ($i: PlanCreateInput!) { planCreate(input: $i) { plan { slug } userErrors { field code message } } }";
    let input = json!({ "i": { "slug": "free", "name": "Free", "price": { "amount": "0", "currency": "CNY" },
        "cycle": "MONTHLY", "features": { "maxApiKeys": 1 } } });
    let made = admin.data(plan, input).await;
    assert_eq!(at(&made, "planCreate.userErrors"), &json!([]));
    let ann = app.sign_in("ann", PASSWORD).await;
    make(&ann, "one").await;
    let refused = ann.data(CREATE, json!({ "i": { "name": "two" } })).await;
    assert_eq!(at(&refused, "apiKeyCreate.userErrors.0.code"), &json!("QUOTA_EXCEEDED"));
    let limits =
        ann.data("{ viewer { plan { plan { slug } limits { slug features { maxApiKeys } } } } }", json!({})).await;
    assert_eq!(at(&limits, "viewer.plan.limits.features.maxApiKeys"), &json!("1"));
}
