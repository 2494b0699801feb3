//! What tests of the graph have in common: booked calls, accounts and ids.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use harness::{Client, TestApp, at};
use schema::model::account::{Account, AccountKind};
use schema::model::api_key::ApiKey;
use schema::service::account::{self, AccountDraft, Credentials};
use schema::service::api_key::{self, NewKey};
use schema::service::settle::{self, Counts, Settlement};
use schema::{Actor, Micros, Time};
use serde_json::{Value, json};

/// An opaque id.
pub fn id(kind: &str, row: impl std::fmt::Display) -> String {
    URL_SAFE_NO_PAD.encode(format!("{kind}:{row}"))
}

/// A settled call of 10 tokens in and 20 out, for a tenth of a cent.
pub fn a_call(user_id: i64, key_id: i64, account_id: i64, at: Time) -> Settlement {
    Settlement {
        call_id: schema::id::uuid(),
        at,
        user_id,
        key_id,
        account_id,
        model: "gpt-4o".into(),
        upstream_model: "gpt-4o-2024".into(),
        dialect: "openai".into(),
        operation: "chat".into(),
        status: 200,
        counts: Counts { input: 10, output: 20, ..Counts::default() },
        cost: 1_000,
        raw_cost: 2_000,
        first_byte_ms: 5,
        duration_ms: 50,
        ip: "127.0.0.1".into(),
        client: "curl".into(),
        ..Settlement::default()
    }
}

/// Books calls, and waits until they are in the books.
pub async fn book(app: &TestApp, calls: impl IntoIterator<Item = Settlement>) {
    for call in calls {
        settle::submit(&app.app, call, None).expect("the journal takes it");
    }
    settle::flush(&app.app).await.expect("the calls are booked");
}

/// A key of a person.
pub async fn a_key(app: &TestApp, owner: i64, name: &str) -> ApiKey {
    let new = NewKey { owner: Some(owner), name: name.into(), ..NewKey::default() };
    api_key::issue(&app.app, &Actor::system(), new).await.expect("a key").key
}

/// An account.
pub async fn an_account(app: &TestApp, kind: AccountKind, name: &str, address: Option<String>) -> Account {
    let mut draft = AccountDraft::new(kind, name, Credentials::lines("sk-test-of-an-account"));
    draft.base_url = address;
    account::add(&app.app, &Actor::system(), draft).await.expect("an account")
}

/// A person with money.
pub async fn a_person(app: &TestApp, name: &str) -> i64 {
    app.person(name, schema::Role::User, Micros(10_000_000)).await.id
}

/// The codes of an answer: of its errors, and of its user errors.
pub fn codes(answer: &Value) -> Vec<String> {
    let mut codes: Vec<String> = Vec::new();
    for error in answer["errors"].as_array().into_iter().flatten() {
        codes.push(at(error, "extensions.code").as_str().unwrap_or("without a code").to_owned());
    }
    for field in answer["data"].as_object().into_iter().flat_map(|data| data.values()) {
        for error in field["userErrors"].as_array().into_iter().flatten() {
            codes.push(error["code"].as_str().unwrap_or("not asked").to_owned());
        }
    }
    codes
}

/// The codes an operation is answered with.
pub async fn refused(client: &Client, query: &str, variables: Value) -> Vec<String> {
    codes(&client.graphql(query, variables).await)
}

/// One mutation of one input, of whose payload only the refusals are read.
pub async fn mutate(client: &Client, field: &str, input: Value) -> Vec<String> {
    let kind = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
    mutate_as(client, field, &kind, input).await
}

/// The same where the input has another name.
pub async fn mutate_as(client: &Client, field: &str, kind: &str, input: Value) -> Vec<String> {
    let query = format!("mutation ($i: {kind}!) {{ {field}(input: $i) {{ userErrors {{ code }} }} }}");
    refused(client, &query, json!({ "i": input })).await
}
