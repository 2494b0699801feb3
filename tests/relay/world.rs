//! A product with accounts at fake vendors, and keys to call them with.

use std::collections::HashMap;

use harness::fake_upstream::{FakeUpstream, Vendor};
use harness::{Answer, Client, TestApp};
use schema::model::account::{Account, AccountKind};
use schema::model::api_key::ApiKey;
use schema::service::account::{self, AccountDraft, Credentials};
use schema::service::api_key::{self, NewKey};
use schema::service::{setting, settle};
use schema::{Actor, Micros, Role};
use serde_json::{Value, json};

/// The model that most calls name.
pub const CHAT: &str = "gpt-4o";
/// The model of Anthropic's that calls name.
pub const CLAUDE: &str = "claude-sonnet-4-5";

pub struct World {
    pub t: TestApp,
}

/// A caller with a key.
pub struct Caller {
    pub key: ApiKey,
    pub http: Client,
}

/// A product with one account at OpenAI, and Ann, who may call it.
pub async fn openai() -> (World, FakeUpstream, Caller) {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    world.account(&fake, AccountKind::OpenaiKey, Vendor::OpenAi).await;
    let ann = world.caller("ann").await;
    (world, fake, ann)
}

impl World {
    pub async fn new() -> Self {
        Self { t: TestApp::new().await }
    }

    /// An account at a fake.
    pub async fn account(&self, fake: &FakeUpstream, kind: AccountKind, vendor: Vendor) -> Account {
        self.account_with(fake, kind, vendor, |_| {}).await
    }

    pub async fn account_with(
        &self,
        fake: &FakeUpstream,
        kind: AccountKind,
        vendor: Vendor,
        bend: impl FnOnce(&mut AccountDraft),
    ) -> Account {
        let mut draft = AccountDraft::new(kind, format!("{kind}"), Credentials::lines(vendor.key()));
        draft.base_url = Some(fake.url());
        bend(&mut draft);
        account::add(&self.t.app, &Actor::system(), draft).await.expect("an account")
    }

    /// A person with ten dollars and a key of theirs.
    pub async fn caller(&self, name: &str) -> Caller {
        self.caller_with(name, |_| {}).await
    }

    pub async fn caller_with(&self, name: &str, bend: impl FnOnce(&mut NewKey)) -> Caller {
        let person = self.t.person(name, Role::User, Micros(10_000_000)).await;
        self.key_of(person.id, bend).await
    }

    pub async fn key_of(&self, owner: i64, bend: impl FnOnce(&mut NewKey)) -> Caller {
        let mut new = NewKey { owner: Some(owner), name: "key".into(), ..NewKey::default() };
        bend(&mut new);
        let issued = api_key::issue(&self.t.app, &Actor::system(), new).await.expect("a key");
        let secret = issued.secret.reveal().clone();
        Caller { http: Client::new(&self.t.url, Some(&secret)), key: issued.key }
    }

    /// Changes settings.
    pub async fn set(&self, changes: &[(&str, &str)]) {
        let changes = changes.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect();
        setting::put(&self.t.app, &self.t.system(), &changes).await.expect("settings");
    }

    /// What was booked, oldest first, once everything settled is in the database.
    pub async fn booked(&self) -> Vec<HashMap<String, Value>> {
        // The answer is with the client a moment before the call is settled.
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        settle::flush(&self.t.app).await.expect("the journal is carried");
        rows(&self.t).await
    }

    /// The rows of the books once there are so many.
    pub async fn booked_when(&self, count: usize) -> Vec<HashMap<String, Value>> {
        for _ in 0..200 {
            let rows = self.booked().await;
            if rows.len() >= count {
                return rows;
            }
        }
        panic!("{count} calls were not booked: {:?}", rows(&self.t).await);
    }
}

/// The columns of the books that tests look at.
async fn rows(t: &TestApp) -> Vec<HashMap<String, Value>> {
    use diesel::prelude::*;
    use diesel_async::RunQueryDsl;
    use schema::table::usage::dsl as u;
    let mut conn = t.app.db.conn().await.expect("a connection");
    let columns =
        (u::model, u::upstream_model, u::dialect, u::operation, u::status, u::error_code, u::account_id, u::key_id);
    let figures = (
        u::input,
        u::cache_read,
        u::output,
        u::reasoning,
        u::images,
        u::cost,
        u::raw_cost,
        u::estimated,
        u::stream,
        u::first_byte_ms,
    );
    type Words = (String, String, String, String, i64, String, i64, i64);
    type Figures = (i64, i64, i64, i64, i64, i64, i64, bool, bool, i64);
    let found: Vec<(Words, Figures)> =
        schema::on!(&mut conn, |c| u::usage.order((u::at, u::call_id)).select((columns, figures)).load(c).await)
            .expect("rows");
    found
        .into_iter()
        .map(|(words, figures)| {
            let value = json!({
                "model": words.0, "upstream_model": words.1, "dialect": words.2, "operation": words.3, "status": words.4,
                "error": words.5, "account": words.6, "key": words.7, "input": figures.0, "cache_read": figures.1,
                "output": figures.2, "reasoning": figures.3, "images": figures.4, "cost": figures.5, "raw_cost": figures.6,
                "estimated": figures.7, "stream": figures.8, "first_byte_ms": figures.9,
            });
            serde_json::from_value(value).expect("an object")
        })
        .collect()
}

/// A chat call.
pub fn chat(stream: bool) -> Value {
    json!({"model": CHAT, "stream": stream, "messages": [{"role": "user", "content": "Say hello."}]})
}

/// A messages call.
pub fn messages(stream: bool) -> Value {
    json!({
        "model": CLAUDE, "stream": stream, "max_tokens": 64, "messages": [{"role": "user", "content": "Say hello."}]
    })
}

/// The data of a stream's events.
pub fn events(answer: &Answer) -> Vec<Value> {
    let lines = answer.text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

/// The words of a chat stream.
pub fn said(answer: &Answer) -> String {
    events(answer).iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect()
}
