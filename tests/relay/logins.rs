//! Subscriptions: their vendor's own client and no other, tokens renewed once for everybody and stored before
//! they are used.

use std::time::Duration;

use futures_util::future::join_all;
use harness::Client;
use harness::fake_upstream::{ACCOUNT_ID, FakeUpstream, SUBSCRIPTION_TOKEN, Step, Vendor};
use schema::model::account::{Account, AccountKind, Health};
use schema::service::account::{Credentials, OauthTokens};
use schema::service::directory;
use serde_json::{Value, json};

use crate::world::{CLAUDE, Caller, World, chat, events, messages};

const DEVICE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn tokens(access: &str, refresh: &str, expires_at: Option<schema::Time>) -> Credentials {
    Credentials::Oauth(OauthTokens {
        access_token: access.into(),
        refresh_token: Some(refresh.into()),
        expires_at,
        ..OauthTokens::default()
    })
}

async fn claude(world: &World, fake: &FakeUpstream, credentials: Credentials) -> Account {
    world.set(&[("oauth_claude_token_url", &format!("{}/v1/oauth/token", fake.url()))]).await;
    world.account_with(fake, AccountKind::ClaudeOauth, Vendor::Anthropic, |draft| draft.credentials = credentials).await
}

/// What Claude Code sends.
fn claude_code(caller: &Caller) -> Client {
    dressed(&caller.http)
}

/// The same at another process.
fn claude_code_at(url: &str, caller: &Caller) -> Client {
    dressed(&Client::new(url, caller.http.token.as_deref()))
}

fn dressed(http: &Client) -> Client {
    http.with("user-agent", "claude-cli/2.1.329 (external, cli)")
        .with("x-app", "cli")
        .with("anthropic-version", "2023-06-01")
        .with("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14")
}

fn prompt(stream: bool) -> Value {
    let mut body = messages(stream);
    body["system"] = json!([{"type": "text", "text": "You are Claude Code, Anthropic's official CLI for Claude."}]);
    let user = format!("user_{DEVICE}_account__session_11111111-2222-3333-4444-555555555555");
    body["metadata"] = json!({ "user_id": user });
    body
}

fn stored(world: &World, account: i64) -> OauthTokens {
    let view = directory::account(&world.t.app, account).expect("the account");
    view.opened.as_ref().and_then(|opened| opened.credentials.oauth()).expect("tokens").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claude_login_carries_claude_code_as_it_is() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::Anthropic).await;
    claude(&world, &fake, tokens(SUBSCRIPTION_TOKEN, "sk-ant-ort01-fake-refresh", None)).await;
    let ann = world.caller("ann").await;
    fake.forbid(ann.http.token.clone().unwrap());
    let answer = claude_code(&ann).post("/v1/messages?beta=true", prompt(true)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(events(&answer).last().unwrap()["type"], "message_stop");
    let seen = fake.last();
    assert_eq!(
        (seen.bearer(), seen.json()),
        (Some(SUBSCRIPTION_TOKEN), prompt(true)),
        "nothing of the prompt is touched"
    );
    assert_eq!(seen.header("user-agent"), Some("claude-cli/2.1.329 (external, cli)"));
    assert_eq!(seen.query, "beta=true");
    assert!(seen.header("anthropic-beta").unwrap().contains("claude-code-20250219"));
    let booked = world.booked_when(1).await;
    assert!(booked[0]["cost"].as_i64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_client_is_refused_or_served_elsewhere() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::Anthropic).await;
    claude(&world, &fake, tokens(SUBSCRIPTION_TOKEN, "sk-ant-ort01-fake-refresh", None)).await;
    let ann = world.caller("ann").await;
    let answer = ann.http.with("anthropic-version", "2023-06-01").post("/v1/messages", messages(false)).await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"]["type"].as_str()), (403, Some("permission_error")));
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("own client"), "{}", answer.text);
    let mut asked = chat(false);
    asked["model"] = CLAUDE.into();
    assert_eq!(ann.http.post("/v1/chat/completions", asked.clone()).await.status, 403);
    assert!(fake.requests().is_empty());
    // With an account that may, it is served there.
    let other = FakeUpstream::start(Vendor::Anthropic).await;
    world.account(&other, AccountKind::ClaudeConsole, Vendor::Anthropic).await;
    assert_eq!(ann.http.post("/v1/chat/completions", asked).await.status, 200);
    assert_eq!((fake.requests().len(), other.requests().len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_renewal_serves_all_who_wait() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::Anthropic).await;
    let soon = world.t.app.clock.now().plus(1_000);
    let account = claude(&world, &fake, tokens("sk-ant-oat01-old", "sk-ant-ort01-fake-refresh", Some(soon))).await;
    fake.script([Step::answer().on("oauth/token").after(Duration::from_millis(200))]);
    let ann = world.caller("ann").await;
    let claude = claude_code(&ann);
    let answers = join_all((0..12).map(|_| claude.post("/v1/messages", prompt(false)))).await;
    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{:?}",
        answers.iter().map(|a| &a.text).collect::<Vec<_>>()
    );
    assert_eq!((fake.refreshes(), fake.requests_to("oauth/token").len()), (1, 1));
    let kept = stored(&world, account.id);
    assert!(kept.access_token.starts_with("sk-ant-oat01-issued"), "the new token is kept");
    assert!(kept.refresh_token.unwrap().starts_with("sk-ant-ort01-issued"), "and the refresh token that came with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_renewed_within_the_call() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::Anthropic).await;
    let (access, refresh) = fake.issue_tokens(Vendor::Anthropic);
    let account = claude(&world, &fake, tokens(&access, &refresh, None)).await;
    let ann = world.caller("ann").await;
    let claude = claude_code(&ann);
    assert_eq!(claude.post("/v1/messages", prompt(false)).await.status, 200);
    fake.expire_access_tokens();
    let answers = join_all((0..6).map(|_| claude.post("/v1/messages", prompt(false)))).await;
    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{:?}",
        answers.iter().map(|a| &a.text).collect::<Vec<_>>()
    );
    assert_eq!(fake.refreshes(), 1, "one renewal for all");
    let view = directory::account(&world.t.app, account.id).unwrap();
    assert_eq!(view.live.state(world.t.app.clock.now()).health, Health::Ok);
    assert_eq!(world.booked_when(7).await.len(), 7, "each call is booked once");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_renew_once() {
    // Only what Redis carries is seen by a second process at once.
    if !harness::scaled() {
        return;
    }
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::Anthropic).await;
    let (access, refresh) = fake.issue_tokens(Vendor::Anthropic);
    let account = claude(&world, &fake, tokens(&access, &refresh, None)).await;
    let peer = world.t.peer().await;
    let ann = world.caller("ann").await;
    let here = claude_code(&ann);
    let there = claude_code_at(&peer.url, &ann);
    fake.expire_access_tokens();
    fake.script([Step::answer().on("oauth/token").after(Duration::from_millis(150))]);
    let calls = (0..8).map(|n| if n % 2 == 0 { here.clone() } else { there.clone() });
    let answers = join_all(calls.map(|claude| async move { claude.post("/v1/messages", prompt(false)).await })).await;
    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{:?}",
        answers.iter().map(|a| &a.text).collect::<Vec<_>>()
    );
    assert_eq!(fake.refreshes(), 1, "a refresh token works once, so a second renewal would have ended the login");
    let view = directory::account(&world.t.app, account.id).unwrap();
    assert_eq!(view.live.state(world.t.app.clock.now()).health, Health::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_comes_late_does_not_spend_the_old_refresh_token() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::Anthropic).await;
    let (access, refresh) = fake.issue_tokens(Vendor::Anthropic);
    let account = claude(&world, &fake, tokens(&access, &refresh, None)).await;
    let peer = world.t.peer().await;
    let ann = world.caller("ann").await;
    fake.expire_access_tokens();
    let claude = claude_code(&ann);
    assert_eq!(claude.post("/v1/messages", prompt(false)).await.status, 200);
    // The other process learns of it by an event, which may be on its way still.
    let there = claude_code_at(&peer.url, &ann);
    assert_eq!(there.post("/v1/messages", prompt(false)).await.status, 200);
    assert_eq!(fake.refreshes(), 1);
    let row = schema::service::account::get(&peer.app, &peer.system(), account.id).await.unwrap();
    assert_eq!(row.health, Health::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_ended_is_left_and_said_to_be_expired() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::Anthropic).await;
    let (access, refresh) = fake.issue_tokens(Vendor::Anthropic);
    let account = claude(&world, &fake, tokens(&access, &refresh, None)).await;
    fake.expire_access_tokens();
    fake.revoke_refresh_tokens();
    let spare = FakeUpstream::start(Vendor::Anthropic).await;
    world.account_with(&spare, AccountKind::ClaudeConsole, Vendor::Anthropic, |draft| draft.priority = 10).await;
    let ann = world.caller("ann").await;
    let answer = claude_code(&ann).post("/v1/messages", prompt(false)).await;
    assert_eq!((answer.status.as_u16(), spare.requests().len()), (200, 1), "{}", answer.text);
    let view = directory::account(&world.t.app, account.id).unwrap();
    assert_eq!(view.live.state(world.t.app.clock.now()).health, Health::Expired);
    let before = fake.requests().len();
    assert_eq!(claude_code(&ann).post("/v1/messages", prompt(false)).await.status, 200);
    assert_eq!(fake.requests().len(), before, "nobody asks it again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_that_fails_does_not_end_the_login() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::Anthropic).await;
    let soon = world.t.app.clock.now().plus(1_000);
    let account = claude(&world, &fake, tokens("sk-ant-oat01-old", "sk-ant-ort01-fake-refresh", Some(soon))).await;
    fake.script([Step::raw(503, "text/html", "<p>later</p>").on("oauth/token")]);
    let ann = world.caller("ann").await;
    let answer = claude_code(&ann).post("/v1/messages", prompt(false)).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    let view = directory::account(&world.t.app, account.id).unwrap();
    assert_ne!(view.live.state(world.t.app.clock.now()).health, Health::Expired);
    // It comes back by itself.
    let again = claude_code(&ann).post("/v1/messages", prompt(false)).await;
    assert_eq!((again.status.as_u16(), fake.refreshes()), (200, 1), "{}", again.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chatgpt_login_carries_codex() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::Codex).await;
    let (access, refresh) = fake.issue_tokens(Vendor::Codex);
    world.set(&[("oauth_openai_token_url", &format!("{}/oauth/token", fake.url()))]).await;
    world
        .account_with(&fake, AccountKind::OpenaiOauth, Vendor::Codex, |draft| {
            draft.credentials = tokens(&access, &refresh, None);
            draft.base_url = Some(format!("{}/backend-api/codex", fake.url()));
            draft.info.insert("account_id".into(), ACCOUNT_ID.into());
        })
        .await;
    let ann = world.caller("ann").await;
    let codex = ann
        .http
        .with("user-agent", "codex_exec/0.169.0 (Linux)")
        .with("originator", "codex_exec")
        .with("session_id", "s-1");
    let ask = json!({
        "model": "gpt-5.1", "instructions": "You are Codex.", "store": false, "stream": true,
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Say hello."}]}],
    });
    for path in ["/v1/responses", "/openai/responses", "/openai/v1/responses"] {
        let answer = codex.post(path, ask.clone()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert_eq!(events(&answer).last().unwrap()["type"], "response.completed", "{path}");
    }
    fake.expire_access_tokens();
    assert_eq!(codex.post("/v1/responses", ask.clone()).await.status, 200, "renewed within the call");
    assert_eq!(fake.refreshes(), 1);
    assert_eq!(ann.http.post("/v1/responses", ask).await.status, 403, "another client");
    let booked = world.booked_when(4).await;
    assert!(booked[..4].iter().all(|row| row["output"].as_i64().unwrap() > 0), "{booked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_google_login_carries_gemini_cli() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::Gemini).await;
    let (access, refresh) = fake.issue_tokens(Vendor::Gemini);
    let token = format!("{}/token", fake.url());
    world.set(&[("oauth_google_token_url", &token), ("oauth_google_client_secret", "a secret")]).await;
    world
        .account_with(&fake, AccountKind::GeminiOauth, Vendor::Gemini, |draft| {
            draft.credentials = tokens(&access, &refresh, None);
            draft.options.project = Some("fake-project".into());
        })
        .await;
    let ann = world.caller("ann").await;
    let cli = ann.http.with("user-agent", "GeminiCLI/0.61.0/gemini-2.5-pro (linux; x64)");
    let load = cli.post("/gemini/v1internal:loadCodeAssist", json!({"metadata": {}})).await;
    assert_eq!(load.json()["cloudaicompanionProject"], "fake-project", "{}", load.text);
    let ask = json!({
        "model": "gemini-2.5-pro", "project": "fake-project", "user_prompt_id": "p",
        "request": {"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}], "session_id": "s"},
    });
    let whole = cli.post("/gemini/v1internal:generateContent", ask.clone()).await;
    let said = whole.json()["response"]["candidates"][0]["content"]["parts"][0]["text"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(said.contains("世界"), "{}", whole.text);
    let stream = cli.post("/gemini/v1internal:streamGenerateContent?alt=sse", ask.clone()).await;
    let last = events(&stream).pop().unwrap();
    assert_eq!(last["response"]["candidates"][0]["finishReason"], "STOP", "{}", stream.text);
    let booked = world.booked_when(2).await;
    assert!(booked.iter().filter(|row| row["operation"] != "side").all(|row| row["status"] == 200), "{booked:?}");
    let other = ann.http.post("/gemini/v1internal:generateContent", ask).await;
    assert_eq!(other.status, 403, "{}", other.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_buys_its_token_once() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::Vertex).await;
    world
        .account_with(&fake, AccountKind::Vertex, Vendor::Vertex, |draft| {
            draft.credentials = Credentials::ServiceAccount { json: fake.service_account_json() };
            draft.options.region = Some("us-central1".into());
        })
        .await;
    let ann = world.caller("ann").await;
    let ask = json!({"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]});
    let path = "/v1beta/models/gemini-2.5-flash:generateContent";
    let answers = join_all((0..6).map(|_| ann.http.post(path, ask.clone()))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{:?}", answers[0].text);
    assert_eq!(fake.requests_to("token").len(), 1);
}
