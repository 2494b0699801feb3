//! Two processes that need the same account's token: one renews it, both use it.

use futures_util::future::join_all;
use harness::fake_upstream::{FakeUpstream, Step, Vendor};
use relay::connect::renew::{self, NoToken};
use schema::model::account::{AccountKind, Health};
use schema::service::account::{self, AccountDraft, Credentials, OauthTokens};
use schema::service::{directory, setting};
use schema::{Actor, App};

use crate::Pair;

async fn login(pair: &Pair, fake: &FakeUpstream) -> i64 {
    let url = format!("{}/claude/v1/oauth/token", fake.url());
    let change = [("oauth_claude_token_url".to_owned(), Some(url))].into_iter().collect();
    setting::put(&pair.one, &Actor::system(), &change).await.expect("set");
    setting::reload(&pair.two).await.expect("read");
    let (access_token, refresh_token) = fake.issue_tokens(Vendor::Anthropic);
    let ends = pair.clock.now().plus(5 * 60_000);
    let tokens = OauthTokens {
        access_token,
        refresh_token: Some(refresh_token),
        expires_at: Some(ends),
        ..OauthTokens::default()
    };
    let draft = AccountDraft::new(AccountKind::ClaudeOauth, "claude", Credentials::Oauth(tokens));
    let id = account::add(&pair.one, &Actor::system(), draft).await.expect("an account").id;
    directory::reload_account(&pair.two, id).await.expect("read");
    id
}

async fn token(app: &App, id: i64) -> String {
    let row = account::get(app, &Actor::system(), id).await.expect("an account");
    let opened = account::open(app, &row).expect("it opens");
    opened.credentials.oauth().expect("tokens").access_token.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_renew_a_token_once() {
    let Some(pair) = Pair::start().await else { return };
    let fake = FakeUpstream::start(Vendor::OAuth).await;
    let id = login(&pair, &fake).await;
    for round in 1..=4 {
        let seen = token(&pair.one, id).await;
        let racers = (0..8).map(|n| {
            let (app, seen) = (if n % 2 == 0 { pair.one.clone() } else { pair.two.clone() }, seen.clone());
            tokio::spawn(async move { renew::renew(&app, id, &seen).await.map(|row| row.version) })
        });
        for racer in join_all(racers).await {
            racer.expect("a task").expect("a token");
        }
        assert_eq!(fake.refreshes(), round, "one renewal a round");
        assert_ne!(token(&pair.two, id).await, seen);
    }
    // The background of both finds that it ends soon; one of them renews it.
    let change = [("token_renewal_minutes".to_owned(), Some("600".to_owned()))].into_iter().collect();
    setting::put(&pair.one, &Actor::system(), &change).await.expect("set");
    setting::reload(&pair.two).await.expect("read");
    directory::reload_account(&pair.two, id).await.expect("read");
    let (one, two) = tokio::join!(renew::due(&pair.one), renew::due(&pair.two));
    assert_eq!((one.expect("a round"), two.expect("a round"), fake.refreshes()), (1, 1, 5));
    let row = account::get(&pair.one, &Actor::system(), id).await.expect("an account");
    assert_eq!(row.health, Health::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_has_ended_is_noted_by_one_and_known_to_the_other() {
    let Some(pair) = Pair::start().await else { return };
    let fake = FakeUpstream::start(Vendor::OAuth).await;
    let id = login(&pair, &fake).await;
    fake.revoke_refresh_tokens();
    fake.always(Some(Step::answer().after(std::time::Duration::from_millis(300))));
    let seen = token(&pair.one, id).await;
    let (one, two) = tokio::join!(renew::renew(&pair.one, id, &seen), renew::renew(&pair.two, id, &seen));
    assert!(matches!((&one, &two), (Err(NoToken::ForGood(_)), Err(NoToken::ForGood(_)))), "{one:?} {two:?}");
    let row = account::get(&pair.two, &Actor::system(), id).await.expect("an account");
    assert_eq!(row.health, Health::Expired);
    for words in ["invalid_grant", "Refresh token not found"] {
        assert!(row.health_note.contains(words), "{}", row.health_note);
    }
}
