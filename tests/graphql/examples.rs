//! The operations people are shown (in GraphiQL's menu, in the README) do what they say.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Duration;

use harness::{Client, TestApp, at};
use serde_json::{Value, json};

use crate::world::{a_call, a_key, an_account, book, codes};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Runs an operation; a subscription for as long as it takes to be refused.
async fn run(client: &Client, name: &str, text: &str, variables: Value) -> Value {
    let operation = text.lines().find(|line| !line.starts_with('#') && !line.trim().is_empty()).unwrap_or("");
    if operation.starts_with("subscription") {
        let mut socket = client.watch(text, variables).await;
        if let Ok(told) = tokio::time::timeout(Duration::from_millis(500), socket.hear()).await {
            assert_eq!(told["type"], "next", "{name}: {told}");
        }
        return Value::Null;
    }
    let answer = client.graphql(text, variables).await;
    assert_eq!(codes(&answer), [""; 0], "{name}: {answer}");
    answer["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_menu_is_answered() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    // The examples name the first of what there is.
    let me = at(&admin.data("{ viewer { databaseId } }", json!({})).await, "viewer.databaseId").clone();
    let me: i64 = me.as_str().unwrap().parse().unwrap();
    let account = an_account(&app, schema::model::account::AccountKind::OpenaiKey, "vendor", None).await.id;
    let key = a_key(&app, me, "first").await.id;
    book(&app, [a_call(me, key, account, app.app.clock.now())]).await;
    let list = app.anonymous().get("/graphiql/examples.json").await.json();
    let list = list.as_array().unwrap();
    assert!(list.len() >= 10, "a menu worth opening");
    for example in list {
        let (title, text) = (example["title"].as_str().unwrap(), example["query"].as_str().unwrap());
        let variables = if example["variables"].is_object() { example["variables"].clone() } else { json!({}) };
        run(&admin, title, text, variables).await;
    }
}

/// The operations of the fenced blocks of a document, in their order.
fn operations(document: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(document)).unwrap();
    let blocks = text.split("```graphql\n").skip(1).map(|rest| rest.split("```").next().unwrap_or("").to_owned());
    let mut found: Vec<String> = Vec::new();
    for block in blocks {
        let mut fresh = true;
        for line in block.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let starts = ["query", "mutation", "subscription", "{"].iter().any(|word| line.starts_with(word));
            match found.last_mut() {
                Some(last) if !fresh && !starts => {
                    last.push('\n');
                    last.push_str(line);
                }
                _ => found.push(line.to_owned()),
            }
            fresh = false;
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_tells_the_truth() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let tour = operations("README.md");
    assert!(tour.len() >= 4, "{tour:?}");
    let mut user = Value::Null;
    for text in tour {
        // `…` stands for the id of the user that was made before.
        let text = text.replace('…', user.as_str().unwrap_or("…"));
        let data = run(&admin, "README", &text, json!({})).await;
        if at(&data, "userCreate.user.id").is_string() {
            user = at(&data, "userCreate.user.id").clone();
        }
    }
    assert!(user.is_string(), "the tour makes a user");
    let keys = admin
        .data("{ users(filter: { search: \"ann\" }) { nodes { balance apiKeys { totalCount } } } }", json!({}))
        .await;
    assert_eq!(at(&keys, "users.nodes.0"), &json!({ "balance": "10.000000", "apiKeys": { "totalCount": "1" } }));
    for text in operations("graphql/README.md") {
        run(&admin, "graphql/README.md", &text, json!({})).await;
    }
}
