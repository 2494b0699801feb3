//! The picture and the changes it follows.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::clock::{HOUR, MINUTE, Time};
use crate::model::account::AccountKind;
use crate::model::api_key::{KeyState, KeyStatus, Service};
use crate::model::catalog::{Price, Rates};
use crate::model::user::UserStatus;
use crate::money::Micros;
use crate::service::account::{self as accounts_service, AccountChange, AccountDraft, Credentials, Mark};
use crate::service::account_group::{self, GroupDraft};
use crate::service::api_key::{self, KeyChange, NewKey, RulesChange};
use crate::service::price::ONE;
use crate::service::setting::names;
use crate::service::{catalog, user};
use crate::testing::TestApp;
use crate::{Actor, Error};

fn named(name: &str) -> NewKey {
    NewKey { name: name.to_owned(), ..NewKey::default() }
}

fn console(name: &str) -> AccountDraft {
    AccountDraft::new(AccountKind::ClaudeConsole, name, Credentials::lines("sk-1\nsk-2\nsk-3"))
}

/// Waits until something that follows an event is so.
async fn soon(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what} did not come to pass");
}

fn ask(now: Time) -> Ask<'static> {
    Ask { now, service: Service::Claude, model: Some("claude-sonnet-4-5"), address: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_at_once_read_once() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let secret = api_key::issue(&t, &root, named("k")).await.expect("a key").secret;
    // The process that issued the key hears of it at some moment, and would then read it once more.
    let reader = t.neighbour().await;
    let before = key_reads(&reader);
    let asked = (0..50).map(|_| {
        let (app, secret) = (reader.clone(), secret.clone());
        tokio::spawn(async move { key(&app, secret.reveal()).await })
    });
    for answer in asked.collect::<Vec<_>>() {
        assert!(answer.await.expect("joined").expect("asked").is_some());
    }
    assert_eq!(key_reads(&reader) - before, 1);
    for _ in 0..10 {
        assert!(key(&reader, "sk-nobody-has-this-one").await.expect("asked").is_none());
    }
    assert_eq!(key_reads(&reader) - before, 2, "what nobody has is remembered too");
    t.advance(11_000);
    assert!(key(&reader, "sk-nobody-has-this-one").await.expect("asked").is_none());
    assert_eq!(key_reads(&reader) - before, 3, "but not for long");
    t.advance(MINUTE);
    assert!(key(&reader, secret.reveal()).await.expect("asked").is_some());
    assert_eq!(key_reads(&reader) - before, 4, "nor is what somebody has");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_seen_by_the_next_call() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let issued = api_key::issue(&t, &root, named("k")).await.expect("a key");
    let (id, secret) = (issued.key.id, issued.secret.reveal().as_str());
    let now = t.clock.now();
    let view = key(&t, secret).await.expect("asked").expect("a key");
    assert_eq!(view.admit(&ask(now)), Ok(()));
    let off = KeyChange { status: Some(KeyStatus::Disabled), ..KeyChange::default() };
    api_key::change(&t, &root, id, off).await.expect("changed");
    let view = key(&t, secret).await.expect("asked").expect("a key");
    assert_eq!(view.admit(&ask(now)), Err(Refusal::State(KeyState::Disabled)));
    let fresh = api_key::rotate(&t, &root, id, None).await.expect("a secret");
    assert!(key(&t, secret).await.expect("asked").is_none());
    assert!(key(&t, fresh.secret.reveal()).await.expect("asked").is_some());
    api_key::delete(&t, &root, id).await.expect("deleted");
    assert!(key(&t, fresh.secret.reveal()).await.expect("asked").is_none());
    api_key::restore(&t, &root, id).await.expect("restored");
    assert!(key(&t, fresh.secret.reveal()).await.expect("asked").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_owner_ends_their_keys() {
    let t = TestApp::new().await;
    let (ann, root) = (t.user("ann").await, t.admin().await);
    let secret = api_key::issue(&t, &ann, named("k")).await.expect("a key").secret;
    let now = t.clock.now();
    assert!(key(&t, secret.reveal()).await.expect("asked").expect("a key").admit(&ask(now)).is_ok());
    let suspend = user::PersonChange { status: Some(UserStatus::Suspended), ..user::PersonChange::default() };
    user::change(&t, &root, ann.user_id.expect("an id"), suspend).await.expect("suspended");
    soon("the suspension", async || {
        let view = key(&t, secret.reveal()).await.expect("asked").expect("a key");
        view.admit(&ask(now)) == Err(Refusal::OwnerInactive)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_refuse_what_they_may_not() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let rules = RulesChange {
        restrict_models: Some(true),
        restricted_models: Some(vec!["claude-opus-4-1".into()]),
        ips: Some(vec!["10.0.0.0/8".into()]),
        ..RulesChange::default()
    };
    let issued = api_key::issue(&t, &root, named("k")).await.expect("a key");
    let change = KeyChange {
        rules,
        permissions: Some(crate::model::api_key::Permissions::Only(vec![Service::Claude])),
        ..KeyChange::default()
    };
    api_key::change(&t, &root, issued.key.id, change).await.expect("changed");
    let view = key(&t, issued.secret.reveal()).await.expect("asked").expect("a key");
    let here = Ask { address: "10.1.2.3".parse().ok(), ..ask(t.clock.now()) };
    assert_eq!(view.admit(&here), Ok(()));
    for (asked, code) in [
        (Ask { address: None, ..here }, "ADDRESS_NOT_ALLOWED"),
        (Ask { address: "11.1.2.3".parse().ok(), ..here }, "ADDRESS_NOT_ALLOWED"),
        (Ask { service: Service::Gemini, ..here }, "SERVICE_NOT_ALLOWED"),
        (Ask { model: Some("claude-opus-4-1"), ..here }, "MODEL_NOT_ALLOWED"),
    ] {
        let refused = view.admit(&asked).expect_err(code);
        assert_eq!(refused.code(), code);
        assert!(!refused.to_string().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_follow_their_changes_and_keep_their_calls() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let row = accounts_service::add(&t, &root, console("one")).await.expect("an account");
    let view = account(&t, row.id).expect("seen at once");
    let now = t.clock.now();
    let seat = view.live.enter(1, now).expect("a place");
    assert!(view.live.enter(1, now).is_none(), "one place, exactly");
    let rename = AccountChange { name: Some("two".into()), ..AccountChange::default() };
    accounts_service::change(&t, &root, row.id, rename).await.expect("changed");
    let after = account(&t, row.id).expect("still there");
    assert_eq!(after.account.name, "two");
    assert_eq!(after.live.state(now).in_flight, 1, "calls in flight are those of the account, not of its picture");
    drop(seat);
    assert_eq!(after.live.state(now).in_flight, 0);

    let rest = Mark { health: Health::Cooling, cool_until: Some(now.plus(HOUR)), note: "429", status: 429 };
    accounts_service::mark(&t, row.id, rest).await.expect("marked");
    assert_eq!(after.live.state(now).health, Health::Cooling);
    assert_eq!(after.live.state(now).cool_until, Some(now.plus(HOUR)));
    accounts_service::reset_status(&t, &root, row.id).await.expect("reset");
    assert_eq!(after.live.state(now).health, Health::Ok);

    let draft = GroupDraft { name: "g".into(), platform: "claude".into(), description: String::new() };
    let group = account_group::create(&t, &root, draft).await.expect("a group");
    account_group::add_member(&t, &root, group.id, row.id).await.expect("a member");
    soon("the membership", async || account(&t, row.id).is_some_and(|v| v.group_ids == [group.id])).await;
    accounts_service::delete(&t, &root, row.id).await.expect("deleted");
    assert!(account(&t, row.id).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_an_account_take_turns_and_skip_the_disabled() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let mut draft = console("one");
    draft.options.disabled_keys = vec![1];
    draft.options.key_mode = Some(crate::model::account::KeyMode::Polling);
    let row = accounts_service::add(&t, &root, draft).await.expect("an account");
    let view = account(&t, row.id).expect("an account");
    let taken: Vec<_> = (0..4).filter_map(|_| view.key(0)).collect();
    assert_eq!(taken, [(0, "sk-1"), (2, "sk-3"), (0, "sk-1"), (2, "sk-3")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daily_quota_is_counted_from_the_books_and_from_events() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let draft = AccountDraft { daily_quota: Some(Micros(100)), ..console("one") };
    let row = accounts_service::add(&t, &root, draft).await.expect("an account");
    let view = account(&t, row.id).expect("an account");
    let now = t.clock.now();
    let used =
        |at: Time, raw_cost| crate::bus::UsedCall { account_id: row.id, at: at.0, raw_cost, ..Default::default() };
    t.bus.publish(Event::Used(Box::new(used(now, 60)))).await;
    t.bus.publish(Event::Used(Box::new(used(now.plus(-48 * HOUR), 7)))).await;
    t.bus.publish(Event::Used(Box::new(used(now, 5)))).await;
    soon("the spending", async || view.live.state(now).spent_today == Micros(65)).await;
    refresh_quotas(&t).await.expect("read");
    assert_eq!(view.live.state(now).spent_today, Micros(65), "the books lag, the count stays");
    assert_eq!(view.live.state(now.plus(24 * HOUR)).spent_today, Micros(0), "a new day");
    t.advance(24 * HOUR);
    refresh_quotas(&t).await.expect("read");
    assert_eq!(view.live.state(t.clock.now()).spent_today, Micros(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_and_ratios_are_those_of_the_moment() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let input = |name: &str| models(&t).price(name).map(|p| p.rates.input);
    assert_eq!(input("claude-sonnet-4-5-20250929"), Some(3_000_000));
    assert_eq!(input("claude-sonnet-4-5"), Some(3_000_000), "the newest of its dates");
    assert_eq!(input("us.anthropic.claude-sonnet-4-5-20250929-v1:0"), Some(3_000_000));
    assert_eq!(input("nobody-knows-this"), None);
    let price = Price { rates: Rates { input: 7, ..Rates::default() }, ..Price::default() };
    catalog::set_price(&t, &root, "nobody-knows-this", Some(price)).await.expect("set");
    soon("the price", async || input("nobody-knows-this") == Some(7)).await;

    let issued = api_key::issue(&t, &root, named("k")).await.expect("a key");
    let view = key(&t, issued.secret.reveal()).await.expect("asked").expect("a key");
    assert_eq!(terms(&t).ratio(&view, "default", "m", Service::Claude), ONE);
    let put = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), Some(value.to_owned()))]);
    for (name, value) in [
        (names::GROUP_RATIOS, r#"{"vip":0.5}"#),
        (names::USER_RATIOS, r#"{"root":3}"#),
        (names::MODEL_RATIOS, r#"{"m":2}"#),
        (names::SERVICE_RATES, r#"{"claude":1.5}"#),
        (names::AUTO_GROUPS, r#"["vip","default"]"#),
        (names::UNPRICED_MODELS, "free"),
    ] {
        setting::put(&t, &root, &put(name, value)).await.expect("set");
    }
    let now = terms(&t);
    assert_eq!(now.ratio(&view, "vip", "m", Service::Claude), ONE * 9 / 2);
    assert_eq!(now.ratio(&view, "default", "x", Service::Gemini), ONE * 3);
    assert_eq!(now.unpriced, Unpriced::Free);
    let auto = KeyChange { group: Some(Some("auto".into())), ..KeyChange::default() };
    api_key::change(&t, &root, issued.key.id, auto).await.expect("changed");
    let view = key(&t, issued.secret.reveal()).await.expect("asked").expect("a key");
    assert_eq!(view.groups(&now), ["vip", "default"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn models_without_a_price_are_for_those_who_take_them() {
    let t = TestApp::new().await;
    let (root, ann) = (t.admin().await, t.user("ann").await);
    let issued = api_key::issue(&t, &ann, named("k")).await.expect("a key");
    let view = async || key(&t, issued.secret.reveal()).await.expect("asked").expect("a key");
    let known = Price { calls: 3, ..Price::default() };
    let refuses = terms(&t);
    assert_eq!(refuses.price(&view().await.owner, None), Err(NoPrice));
    assert_eq!(refuses.price(&view().await.owner, Some(&known)), Ok(Some(known.clone())));
    let prefs = serde_json::json!({ "accept_unset_model_ratio_model": true });
    let change = user::PersonChange { prefs: prefs.as_object().cloned(), ..user::PersonChange::default() };
    user::change(&t, &ann, ann.user_id.expect("a person"), change).await.expect("changed");
    soon("the wish", async || view().await.owner.takes_unpriced).await;
    let owner = view().await.owner.clone();
    let usual = refuses.price(&owner, None).expect("served").expect("for money").rates;
    assert_eq!((usual.input, usual.output, usual.cache_read), (75_000_000, 75_000_000, None));
    assert_eq!(refuses.price(&owner, Some(&known)), Ok(Some(known)));
    let put = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), Some(value.to_owned()))]);
    setting::put(&t, &root, &put(names::UNPRICED_RATE, "2000000")).await.expect("set");
    let dearest = terms(&t).price(&owner, None).expect("served").expect("for money");
    assert_eq!((dearest.rates.input, dearest.images), (2_000_000, 2_500_000_000));
    setting::put(&t, &root, &put(names::UNPRICED_MODELS, "free")).await.expect("set");
    assert_eq!(terms(&t).price(&owner, None), Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resync_forgets_everything_and_reads_it_again() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let issued = api_key::issue(&t, &root, named("k")).await.expect("a key");
    key(&t, issued.secret.reveal()).await.expect("asked");
    let before = key_reads(&t);
    follow(&t, &Event::Resync).await.expect("followed");
    assert!(key(&t, issued.secret.reveal()).await.expect("asked").is_some());
    assert_eq!(key_reads(&t), before + 1);
    assert!(key(&t, "short").await.expect("asked").is_none());
    assert!(key_by_digest(&t, &issued.key.digest).await.expect("asked").is_some());
    let nobody = Actor::anonymous(crate::Face::Graphql, "", "");
    assert!(matches!(api_key::get(&t, &nobody, 1).await, Err(Error::Unauthenticated { .. })));
}
