//! Signing in, the viewer, and the rules about people.

use harness::{TestApp, at};
use schema::{Micros, Role};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_viewer_is_whoever_signed_in() {
    let app = TestApp::new().await;
    let ann = app.user("ann").await;
    let data = ann.data("{ viewer { username role balance } }", json!({})).await;
    assert_eq!(data["viewer"], json!({ "username": "ann", "role": "USER", "balance": "0.000000" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_once_and_limited() {
    let app = TestApp::new().await;
    app.person("ann", Role::User, Micros::ZERO).await;
    let query = "mutation ($i: SignInInput!) { signIn(input: $i) { token userErrors { code } } }";
    for _ in 0..10 {
        let answer = app.anonymous().graphql(query, json!({ "i": { "username": "ann", "password": "wrong" } })).await;
        assert_eq!(*at(&answer, "data.signIn.userErrors.0.code"), json!("WRONG_CREDENTIALS"), "{answer}");
    }
    let answer =
        app.anonymous().graphql(query, json!({ "i": { "username": "Ann", "password": harness::PASSWORD } })).await;
    assert_eq!(*at(&answer, "errors.0.extensions.code"), json!("RATE_LIMITED"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_token_at_once() {
    let app = TestApp::new().await;
    let ann = app.user("ann").await;
    ann.data("mutation { signOut { signedOut } }", json!({})).await;
    let answer = ann.post("/graphql", json!({ "query": "{ viewer { id } }" })).await;
    assert_eq!(answer.status, 401);
    assert_eq!(*at(&answer.json(), "errors.0.extensions.code"), json!("UNAUTHENTICATED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_listed_in_pages_for_administrators_alone() {
    let app = TestApp::new().await;
    for name in ["ann", "bob", "cid"] {
        app.person(name, Role::User, Micros::ZERO).await;
    }
    let admin = app.admin().await;
    let query = "query ($first: Int, $after: String) { users(first: $first, after: $after, \
                 orderBy: { field: USERNAME, direction: ASC }) { nodes { username } totalCount pageInfo { hasNextPage endCursor } } }";
    let page = admin.data(query, json!({ "first": 2 })).await;
    assert_eq!(at(&page, "users.nodes"), &json!([{ "username": "admin" }, { "username": "ann" }]));
    assert_eq!(at(&page, "users.totalCount"), &json!("4"));
    let page = admin.data(query, json!({ "first": 2, "after": at(&page, "users.pageInfo.endCursor") })).await;
    assert_eq!(at(&page, "users.nodes"), &json!([{ "username": "bob" }, { "username": "cid" }]));
    assert_eq!(at(&page, "users.pageInfo.hasNextPage"), &json!(false));

    let ann = app.sign_in("ann", harness::PASSWORD).await;
    let answer = ann.graphql(query, json!({ "first": 2 })).await;
    assert_eq!(*at(&answer, "errors.0.extensions.code"), json!("FORBIDDEN"), "{answer}");
    let answer = admin.graphql(query, json!({ "first": 101 })).await;
    assert_eq!(*at(&answer, "errors.0.extensions.code"), json!("BAD_USER_INPUT"), "{answer}");
}
