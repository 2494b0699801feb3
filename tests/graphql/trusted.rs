//! Trusted documents: asked for by their hash, and, where it is said so, nothing else by those who are no administrators.

use std::path::PathBuf;

use harness::{Client, TestApp, at};
use reqwest::Method;
use schema::id::digest;
use serde_json::{Value, json};

const MINE: &str = "query Mine { viewer { username } }";
const RENAME: &str =
    "mutation Rename($i: UserChangeInput!) { userChange(input: $i) { user { displayName } userErrors { code } } }";
const PLANS: &str = "{ publicPlans { slug } }";
const OTHER: &str = "query Other { viewer { id } }";

/// A manifest in a folder of its own, removed with it.
struct Manifest(PathBuf);

impl Manifest {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("tollgate-trusted-{}", schema::id::uuid()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let manifest = json!({ (digest(MINE)): MINE, (digest(RENAME)): RENAME, (digest("{ nothing")): "{ nothing" });
        std::fs::write(folder.join("documents.json"), manifest.to_string()).expect("a manifest");
        std::fs::write(folder.join("plans.graphql"), PLANS).expect("a document");
        Self(folder)
    }

    async fn app(&self, only: &str) -> TestApp {
        let folder = self.0.to_str().expect("a path");
        TestApp::builder().env("TRUSTED_DOCUMENTS", folder).env("TRUSTED_DOCUMENTS_ONLY", only).start().await
    }
}

impl Drop for Manifest {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn by_hash(client: &Client, hash: &str, variables: Value) -> Value {
    let asked = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    client.post("/graphql", json!({ "extensions": asked, "variables": variables })).await.json()
}

fn code(answer: &Value) -> &str {
    at(answer, "errors.0.extensions.code").as_str().unwrap_or("")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_document_is_asked_for_by_its_hash() {
    let manifest = Manifest::new();
    let app = manifest.app("false").await;
    let ann = app.user("ann").await;
    let wanted = json!({ "viewer": { "username": "ann" } });
    assert_eq!(by_hash(&ann, &digest(MINE), json!({})).await["data"], wanted);
    let id = json!({ "documentId": format!("sha256:{}", digest(MINE)), "operationName": "Mine" });
    assert_eq!(ann.post("/graphql", id).await.json()["data"], wanted);
    let path = format!("/graphql?documentId={}", digest(MINE));
    assert_eq!(ann.get(&path).await.json()["data"], wanted);
    // A GET carries no change, named by its text or not.
    let asked = ann.send(ann.request(Method::GET, &format!("/graphql?documentId={}", digest(RENAME)))).await;
    assert_eq!(asked.status, 405);
    let plans = app.anonymous().post("/graphql", json!({ "documentId": digest(PLANS) })).await.json();
    assert!(at(&plans, "data.publicPlans").is_array(), "{plans}");
    // Who may not ask for a thing may not ask for it by hash.
    assert_eq!(code(&by_hash(&app.anonymous(), &digest(MINE), json!({})).await), "UNAUTHENTICATED");
    for unknown in [digest(OTHER), "ab".into(), String::new()] {
        let told = by_hash(&ann, &unknown, json!({})).await;
        assert_eq!(code(&told), "PERSISTED_QUERY_NOT_FOUND", "{told}");
        assert_eq!(at(&told, "errors.0.message"), "PersistedQueryNotFound");
    }
    assert_eq!(code(&by_hash(&ann, &digest("{ nothing"), json!({})).await), "GRAPHQL_PARSE_FAILED");
    let nameless = ann.post("/graphql", json!({ "extensions": { "persistedQuery": { "version": 2 } } })).await.json();
    assert_eq!(code(&nameless), "BAD_REQUEST");
    // A text sent beside its hash is not remembered.
    let both =
        json!({ "query": OTHER, "extensions": { "persistedQuery": { "version": 1, "sha256Hash": digest(OTHER) } } });
    assert!(at(&ann.post("/graphql", both).await.json(), "data.viewer.id").is_string());
    assert_eq!(code(&by_hash(&ann, &digest(OTHER), json!({})).await), "PERSISTED_QUERY_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_only_trusted_documents_are_served_administrators_alone_ask_freely() {
    let manifest = Manifest::new();
    let app = manifest.app("true").await;
    // Signing in is free, or nobody could.
    let ann = app.user("ann").await;
    let admin = app.admin().await;
    let wanted = json!({ "viewer": { "username": "ann" } });
    assert_eq!(by_hash(&ann, &digest(MINE), json!({})).await["data"], wanted);
    assert_eq!(ann.data(MINE, json!({})).await, wanted, "by its text as well");
    for (client, untrusted) in [
        (&ann, OTHER),
        (&ann, "query Mine { viewer { username  } }"),
        (&ann, "mutation { signOut { signedOut } }"),
        (&ann, "subscription { walletChanged { __typename } }"),
        (&app.anonymous(), "{ publicPlans { name } }"),
        (
            &app.anonymous(),
            "mutation { signIn(input: { username: \"a\", password: \"b\" }) { token } register(input: { username: \"a\", password: \"b\" }) { token } }",
        ),
    ] {
        let told = client.with("accept", "text/event-stream, application/json").graphql(untrusted, json!({})).await;
        assert_eq!(code(&told), "FORBIDDEN", "{untrusted}: {told}");
        assert!(at(&told, "errors.0.message").as_str().unwrap_or_default().contains("not trusted"), "{told}");
    }
    assert!(at(&app.anonymous().data(PLANS, json!({})).await, "publicPlans").is_array());
    assert!(at(&ann.data(MINE, json!({})).await, "viewer.username").is_string(), "nobody was signed out");
    // Administrators ask as before, and read the schema.
    assert!(at(&admin.data(OTHER, json!({})).await, "viewer.id").is_string());
    assert!(
        at(&admin.data("{ __schema { queryType { name } } }", json!({})).await, "__schema.queryType.name").is_string()
    );
    assert_eq!(app.anonymous().get("/graphiql").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_take_trusted_documents_as_well() {
    let manifest = Manifest::new();
    let app = manifest.app("true").await;
    let ann = app.user("ann").await;
    let hash = json!({ "persistedQuery": { "version": 1, "sha256Hash": digest(MINE) } });
    for asked in [json!({ "documentId": digest(MINE) }), json!({ "extensions": hash }), json!({ "query": MINE })] {
        assert_eq!(ann.watch_this(asked).await.event().await, json!({ "viewer": { "username": "ann" } }));
    }
    for (asked, wanted) in [
        (json!({ "documentId": digest(OTHER) }), "PERSISTED_QUERY_NOT_FOUND"),
        (json!({ "query": OTHER }), "FORBIDDEN"),
        (json!({ "query": "subscription { walletChanged { __typename } }" }), "FORBIDDEN"),
    ] {
        let told = ann.watch_this(asked).await.hear().await;
        assert_eq!(
            (&told["type"], at(&told, "payload.0.extensions.code")),
            (&json!("error"), &json!(wanted)),
            "{told}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_manifest_hashes_are_not_supported() {
    let app = TestApp::new().await;
    let ann = app.user("ann").await;
    let told = by_hash(&ann, &digest(MINE), json!({})).await;
    assert_eq!((code(&told), at(&told, "errors.0.message")), ("BAD_REQUEST", &json!("PersistedQueryNotSupported")));
}
