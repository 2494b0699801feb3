//! Accounts with logins: tokens renewed before they are needed and when they are refused, stored before they are
//! used, and given up only when the vendor says that the login is over.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use futures_util::future::join_all;
use harness::fake_upstream::{FakeUpstream, Step, Vendor};
use harness::{Answer, TestApp};
use relay::connect::{self, renew};
use schema::model::account::{Account, AccountKind, Health};
use schema::service::account::{self, AccountChange, AccountDraft, Credentials, OauthTokens};
use schema::service::{directory, setting};
use schema::{Actor, Clock, Time};
use serde_json::json;

use crate::world::{Caller, World};

const MINUTE: i64 = 60_000;

/// A Claude login at a fake that is both the vendor and its token address.
struct Login {
    world: World,
    fake: FakeUpstream,
    ann: Caller,
    id: i64,
}

impl Login {
    async fn new(ends_in: i64) -> Self {
        let clock = Clock::System.now().plus(-20 * MINUTE);
        let world = World { t: TestApp::builder().clock_at(clock).start().await };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = FakeUpstream::serve(None, listener);
        let url = format!("{}/claude/v1/oauth/token", fake.url_of(Vendor::OAuth));
        set(&world, "oauth_claude_token_url", &url).await;
        let (access_token, refresh) = fake.issue_tokens(Vendor::Anthropic);
        let tokens = tokens(&access_token, &refresh, clock.plus(ends_in));
        let mut draft = AccountDraft::new(AccountKind::ClaudeOauth, "claude", Credentials::Oauth(tokens));
        draft.base_url = Some(fake.url_of(Vendor::Anthropic));
        let id = account::add(&world.t.app, &Actor::system(), draft).await.unwrap().id;
        let ann = world.caller("ann").await;
        Self { world, fake, ann, id }
    }

    async fn row(&self) -> Account {
        account::get(&self.world.t.app, &Actor::system(), self.id).await.unwrap()
    }

    async fn tokens(&self) -> OauthTokens {
        let opened = account::open(&self.world.t.app, &self.row().await).unwrap();
        opened.credentials.oauth().unwrap().clone()
    }

    /// A call as Claude Code makes it.
    async fn call(&self) -> Answer {
        let session = json!({"device_id": "d", "account_uuid": "a", "session_id": "s"}).to_string();
        let caller = self.ann.http.with("user-agent", "claude-cli/2.1.329 (external, cli)").with("x-app", "cli");
        let caller = caller.with("anthropic-version", "2023-06-01");
        let caller = caller.with("anthropic-beta", "claude-code-20250219,oauth-2025-04-20");
        let body = json!({
            "model": "claude-sonnet-4-5", "max_tokens": 64, "metadata": {"user_id": session},
            "system": [{"type": "text", "text": "You are Claude Code, Anthropic's official CLI for Claude."}],
            "messages": [{"role": "user", "content": "Say hello."}],
        });
        caller.post("/v1/messages", body).await
    }
}

fn tokens(access: &str, refresh: &str, ends: Time) -> OauthTokens {
    OauthTokens {
        access_token: access.into(),
        refresh_token: Some(refresh.into()),
        expires_at: Some(ends),
        ..OauthTokens::default()
    }
}

async fn set(world: &World, name: &str, value: &str) {
    let change = [(name.to_owned(), Some(value.to_owned()))].into_iter().collect();
    setting::put(&world.t.app, &Actor::system(), &change).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_find_a_dead_token_share_one_renewal() {
    let login = Login::new(-MINUTE).await;
    let before = login.tokens().await;
    for answer in join_all((0..8).map(|_| login.call())).await {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    assert_eq!(login.fake.refreshes(), 1);
    let after = login.tokens().await;
    assert!(after.access_token != before.access_token && after.refresh_token != before.refresh_token, "rotated");
    assert!(after.expires_at > before.expires_at);
    // A token that the vendor refuses before its end is renewed by the call that finds out.
    login.fake.expire_access_tokens();
    for answer in join_all((0..4).map(|_| login.call())).await {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    assert_eq!(login.fake.refreshes(), 2);
    let row = login.row().await;
    assert_eq!((row.health, row.info.0["email"].as_str()), (Health::Ok, Some("ann@example.com")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_soon_is_renewed_before_a_call_needs_it() {
    let login = Login::new(60 * MINUTE).await;
    let app = &login.world.t.app;
    assert_eq!(renew::due(app).await.unwrap(), 0, "an hour is long enough");
    set(&login.world, "token_renewal_minutes", "90").await;
    let off = |enabled| AccountChange { enabled: Some(enabled), ..AccountChange::default() };
    account::change(app, &Actor::system(), login.id, off(false)).await.unwrap();
    assert_eq!(renew::due(app).await.unwrap(), 0, "it is switched off");
    account::change(app, &Actor::system(), login.id, off(true)).await.unwrap();
    // The product's own background may be faster.
    renew::due(app).await.unwrap();
    assert_eq!(login.fake.refreshes(), 1);
    assert_eq!(renew::due(app).await.unwrap(), 0, "once");
    assert_eq!(login.call().await.status, 200);
    // An administrator may ask for a new one at any time.
    connect::refresh(app, &Actor::system(), login.id).await.unwrap();
    assert_eq!(login.fake.refreshes(), 2);
    assert_eq!(login.call().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_login_ends_the_account_and_an_outage_does_not() {
    let login = Login::new(5 * MINUTE).await;
    let app = &login.world.t.app;
    login.fake.always(Some(Step::refuse(503).on("/oauth/token")));
    renew::due(app).await.unwrap();
    let asked = login.fake.requests_to("/oauth/token").len();
    assert!(asked >= 1);
    renew::due(app).await.unwrap();
    assert_eq!(login.fake.requests_to("/oauth/token").len(), asked, "it is left alone for a while");
    assert_eq!(login.row().await.health, Health::Ok);
    assert_eq!(login.call().await.status, 200, "the token still holds");

    // Another login, for the first rests after its outage, on Redis by a time of its own.
    let login = Login::new(5 * MINUTE).await;
    let app = &login.world.t.app;
    login.fake.revoke_refresh_tokens();
    renew::due(app).await.unwrap();
    // The product's own background may have been faster, and the news goes round by the bus.
    let health = || directory::account(app, login.id).unwrap().live.state(app.clock.now()).health;
    for _ in 0..500 {
        if health() == Health::Expired && login.row().await.health == Health::Expired {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let row = login.row().await;
    assert_eq!((row.health, health()), (Health::Expired, Health::Expired));
    for words in ["invalid_grant", "Refresh token not found"] {
        assert!(row.health_note.contains(words), "{}", row.health_note);
    }
    let asked = login.fake.requests_to("/oauth/token").len();
    app.clock.advance(10 * MINUTE);
    renew::due(app).await.unwrap();
    let refused = login.call().await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert_eq!(login.fake.requests_to("/oauth/token").len(), asked, "nobody asks again");
    // Somebody logs in anew.
    let (access, refresh) = login.fake.issue_tokens(Vendor::Anthropic);
    let anew = tokens(&access, &refresh, app.clock.now().plus(60 * MINUTE));
    let change = AccountChange { credentials: Some(Credentials::Oauth(anew)), ..AccountChange::default() };
    account::change(app, &Actor::system(), login.id, change).await.unwrap();
    assert_eq!(login.call().await.status, 200);
    assert_eq!(login.row().await.health, Health::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_in_while_a_token_is_renewed_has_the_last_word() {
    let login = Login::new(60 * MINUTE).await;
    let app = login.world.t.app.clone();
    let seen = login.tokens().await.access_token;
    login.fake.always(Some(Step::answer().after(Duration::from_millis(400)).on("/oauth/token")));
    let (id, renewing) = (login.id, app.clone());
    let renewal = tokio::spawn(async move { renew::renew(&renewing, id, &seen).await.map(|row| row.version) });
    tokio::time::sleep(Duration::from_millis(150)).await;
    // A change of something else does not lose the new token, a new login does.
    let (access, refresh) = login.fake.issue_tokens(Vendor::Anthropic);
    let anew = tokens(&access, &refresh, app.clock.now().plus(60 * MINUTE));
    let change = AccountChange { credentials: Some(Credentials::Oauth(anew.clone())), ..AccountChange::default() };
    account::change(&app, &Actor::system(), id, change).await.unwrap();
    renewal.await.unwrap().unwrap();
    assert_eq!(login.tokens().await, anew);

    let (renewing, seen) = (app.clone(), anew.access_token.clone());
    let renewal = tokio::spawn(async move { renew::renew(&renewing, id, &seen).await.map(|row| row.version) });
    tokio::time::sleep(Duration::from_millis(150)).await;
    let change = AccountChange { description: Some("ours".into()), ..AccountChange::default() };
    account::change(&app, &Actor::system(), id, change).await.unwrap();
    renewal.await.unwrap().unwrap();
    assert_ne!(login.tokens().await.access_token, anew.access_token);
    assert_eq!(login.row().await.description, "ours");
}
