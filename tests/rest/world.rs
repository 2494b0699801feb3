//! A product with accounts at fake vendors, as the REST tests need it.

use std::collections::{BTreeMap, BTreeSet};

use harness::fake_upstream::{FakeUpstream, Vendor};
use harness::{Answer, Client, TestApp};
use rest::dialect::Row;
use schema::service::setting;
use schema::service::settle;
use serde_json::{Value, json};

/// A product, its first administrator, and every vendor on one port.
pub struct World {
    pub t: TestApp,
    pub admin: Client,
    pub fake: FakeUpstream,
    called: BTreeSet<(String, String)>,
}

impl World {
    pub async fn new() -> Self {
        Self::of(TestApp::new().await).await
    }

    pub async fn of(t: TestApp) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let fake = FakeUpstream::serve(None, listener);
        let admin = t.admin().await;
        let world = Self { t, admin, fake, called: BTreeSet::new() };
        let at = |path: &str| format!("{}/{path}", world.fake.url_of(Vendor::OAuth));
        for (vendor, folder) in [("claude", "claude"), ("openai", "openai"), ("google", "google")] {
            let names = [format!("oauth_{vendor}_authorize_url"), format!("oauth_{vendor}_token_url")];
            let (authorize, token) = (at(&format!("{folder}/authorize")), at(&format!("{folder}/token")));
            world.set(&[(&names[0], &authorize), (&names[1], &token)]).await;
        }
        world.set(&[("oauth_google_client_secret", "fake-client-secret")]).await;
        world
    }

    /// Changes settings.
    pub async fn set(&self, changes: &[(&str, &str)]) {
        let changes: BTreeMap<String, Option<String>> =
            changes.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect();
        setting::put(&self.t.app, &self.t.system(), &changes).await.expect("settings");
    }

    /// Calls an endpoint by its line in the table, with the parameters of its path in order, and expects success.
    pub async fn step(&mut self, method: &str, pattern: &str, parameters: &[&str], body: Value) -> Value {
        let answer = self.call(method, pattern, parameters, body).await;
        assert_eq!(answer.status, 200, "{method} {pattern}: {}", answer.text);
        let said = answer.json();
        if said.is_object() {
            assert_eq!(said["success"], true, "{method} {pattern}: {}", answer.text);
        }
        said
    }

    /// The same, whatever comes back.
    pub async fn call(&mut self, method: &str, pattern: &str, parameters: &[&str], body: Value) -> Answer {
        let caller = self.admin.clone();
        self.call_as(&caller, method, pattern, parameters, body).await
    }

    /// The same by somebody else.
    pub async fn call_as(
        &mut self,
        caller: &Client,
        method: &str,
        pattern: &str,
        parameters: &[&str],
        body: Value,
    ) -> Answer {
        let (path, query) = pattern.split_once('?').map_or((pattern, ""), |(p, q)| (p, q));
        self.called.insert((method.to_owned(), path.to_owned()));
        let mut parameters = parameters.iter();
        let path: Vec<&str> = path
            .split('/')
            .map(|part| if part.starts_with('{') { parameters.next().copied().expect("a parameter") } else { part })
            .collect();
        let path = path.join("/");
        let path = if query.is_empty() { path } else { format!("{path}?{query}") };
        caller.call(method, &path, body).await
    }

    /// Lines of a table that nobody has called.
    pub fn missed(&self, table: &[Row]) -> Vec<String> {
        let called = |row: &&Row| !self.called.contains(&(row.method.to_owned(), row.path.to_owned()));
        table.iter().filter(called).map(|row| format!("{} {}", row.method, row.path)).collect()
    }

    /// Passes a vendor's consent page as the account's owner would: the code and the state it comes with.
    pub async fn consent(&self, url: &str) -> (String, String) {
        let visitor = Client::new("", None);
        let page = visitor.get(url).await;
        if let Some(shown) = page.text.split("<code>").nth(1) {
            let shown = shown.split('<').next().unwrap_or("");
            let (code, state) = shown.split_once('#').expect("CODE#STATE");
            return (code.to_owned(), state.to_owned());
        }
        let back = reqwest::Url::parse(page.header("location")).unwrap_or_else(|_| panic!("{url}: {}", page.text));
        let get = |name: &str| back.query_pairs().find(|(k, _)| k == name).map(|(_, v)| v.into_owned());
        (get("code").expect("a code"), get("state").expect("a state"))
    }

    /// Waits until everything that was called is booked.
    pub async fn booked(&self, calls: i64) {
        for _ in 0..400 {
            settle::flush(&self.t.app).await.expect("the journal is carried");
            let all = schema::service::report::totals(&self.t.app, &self.t.system(), &Default::default()).await;
            if all.expect("sums").requests >= calls {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{calls} calls were not booked");
    }

    /// A Claude Console account at the fake.
    pub async fn console_account(&mut self, name: &str) -> String {
        let url = self.fake.url_of(Vendor::Anthropic);
        let body = json!({ "name": name, "apiUrl": url, "apiKey": Vendor::Anthropic.key(), "priority": 50 });
        let made = self.step("POST", "/admin/claude-console-accounts", &[], body).await;
        text(&made["data"]["id"])
    }

    /// A call of Claude with a key.
    pub async fn say_hello(&self, key: &str) -> Answer {
        let body = json!({
            "model": "claude-sonnet-4-5", "max_tokens": 100,
            "messages": [{ "role": "user", "content": "Say hello." }],
        });
        self.t.anonymous().with("x-api-key", key).post("/api/v1/messages", body).await
    }
}

/// What Claude Code says of itself first.
const CLAUDE_CODE: &str = "You are Claude Code, Anthropic's official CLI for Claude.";

impl World {
    /// The same call as Claude Code would make it.
    pub async fn say_as_claude_code(&self, key: &str) -> Answer {
        let user = format!("user_{}_account__session_00000000-0000-4000-8000-000000000001", "a".repeat(64));
        let body = json!({
            "model": "claude-sonnet-4-5", "max_tokens": 100, "metadata": { "user_id": user },
            "system": [{ "type": "text", "text": CLAUDE_CODE }],
            "messages": [{ "role": "user", "content": "Say hello." }],
        });
        let client = self.t.anonymous().with("x-api-key", key).with("user-agent", "claude-cli/2.0.0 (external, cli)");
        let client = client.with("x-app", "cli").with("anthropic-version", "2023-06-01");
        client.with("anthropic-beta", "claude-code-20250219,oauth-2025-04-20").post("/api/v1/messages", body).await
    }
}

/// The text of a value.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("text: {value}")).to_owned()
}
