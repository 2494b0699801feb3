//! Keys through their service, on a database.

use std::collections::BTreeMap;

use super::*;
use crate::actor::Role;
use crate::clock::{DAY, HOUR};
use crate::model::account::AccountKind;
use crate::model::api_key::{BoundTo, Deleted, KeyFilter, KeyLimits, KeyOrder, KeyState, KeyStatus, Service, Slot};
use crate::money::Micros;
use crate::page::{Direction, Seek, Window};
use crate::service::account::{self, AccountDraft, Credentials};
use crate::testing::TestApp;

fn named(name: &str) -> NewKey {
    NewKey { name: name.to_owned(), ..NewKey::default() }
}

fn code<T>(result: Result<T>) -> &'static str {
    match result {
        Ok(_) => "OK",
        Err(e) => e.detail_code().unwrap_or_else(|| e.code()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_told_once_and_found_by_its_digest() {
    let t = TestApp::new().await;
    let ann = t.user("ann").await;
    for (prefix, length) in [(KeyPrefix::Cr, 67), (KeyPrefix::ClaudeRelay, 45), (KeyPrefix::Sk, 51)] {
        let new = NewKey { prefix, ..named("mine") };
        let issued = issue(&t, &ann, new).await.expect("a key");
        let secret = issued.secret.reveal();
        assert!(secret.starts_with(prefix.as_str()));
        assert_eq!(secret.len(), length);
        assert!(!format!("{issued:?}").contains(secret.as_str()), "not in Debug");
        assert!(!issued.key.hint.contains(&secret[12..20]));
        let found = find_by_secret(&t, secret).await.expect("asked").expect("found");
        assert_eq!(found.id, issued.key.id);
    }
    assert!(find_by_secret(&t, "sk-wrong-wrong-wrong").await.expect("asked").is_none());
    assert!(find_by_secret(&t, "").await.expect("asked").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_neither_see_nor_touch_a_key() {
    let t = TestApp::new().await;
    let (ann, bob, root) = (t.user("ann").await, t.user("bob").await, t.admin().await);
    let key = issue(&t, &ann, named("mine")).await.expect("a key").key;
    assert_eq!(code(get(&t, &bob, key.id).await), "NOT_FOUND");
    assert_eq!(code(get_by_uid(&t, &bob, &key.uid).await), "NOT_FOUND");
    let nobody = Actor::anonymous(crate::Face::Graphql, "", "");
    assert_eq!(code(get(&t, &nobody, key.id).await), "UNAUTHENTICATED");
    assert_eq!(code(change(&t, &bob, key.id, KeyChange::default()).await), "NOT_FOUND");
    assert_eq!(code(delete(&t, &bob, key.id).await), "NOT_FOUND");
    assert_eq!(code(rotate(&t, &bob, key.id, None).await), "NOT_FOUND");
    let others = NewKey { owner: ann.user_id, ..named("for ann") };
    assert_eq!(code(issue(&t, &bob, others.clone()).await), "FORBIDDEN");
    let filter = KeyFilter::default();
    let order = (KeyOrder::CreatedAt, Direction::Desc);
    let seen = list(&t, &bob, &filter, order, &Seek::default()).await.expect("a page");
    assert!(seen.rows.is_empty());
    let asked = KeyFilter { user_id: ann.user_id, ..KeyFilter::default() };
    assert_eq!(code(list(&t, &bob, &asked, order, &Seek::default()).await), "FORBIDDEN");
    assert_eq!(code(purge(&t, &ann, key.id).await), "FORBIDDEN");
    assert!(get(&t, &root, key.id).await.is_ok());
    assert!(issue(&t, &root, others).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_decide_about_their_own_keys_but_not_about_managed_ones() {
    let t = TestApp::new().await;
    let (ann, root) = (t.user("ann").await, t.admin().await);
    let own = issue(&t, &ann, named("own")).await.expect("a key").key;
    let limits = LimitsChange { rpm: Some(10), ..LimitsChange::default() };
    let changed = change(&t, &ann, own.id, KeyChange { limits: limits.clone(), ..KeyChange::default() }).await;
    assert_eq!(changed.expect("changed").limits.rpm, 10);

    let given = issue(&t, &root, NewKey { owner: ann.user_id, ..named("given") }).await.expect("a key").key;
    assert!(given.rules.managed);
    let lift = KeyChange { limits, ..KeyChange::default() };
    assert_eq!(code(change(&t, &ann, given.id, lift.clone()).await), "FORBIDDEN");
    let rename = KeyChange { name: Some("renamed".into()), ..KeyChange::default() };
    assert_eq!(change(&t, &ann, given.id, rename).await.expect("renamed").name, "renamed");

    // An administrator who disables somebody's own key takes it over.
    let off = KeyChange { status: Some(KeyStatus::Disabled), ..KeyChange::default() };
    assert!(change(&t, &root, own.id, off).await.expect("disabled").rules.managed);
    let on = KeyChange { status: Some(KeyStatus::Active), ..KeyChange::default() };
    assert_eq!(code(change(&t, &ann, own.id, on).await), "FORBIDDEN");

    for refused in [
        KeyChange { group: Some(Some("vip".into())), ..KeyChange::default() },
        KeyChange { rebind: vec![(Slot::Claude, Some(BoundTo::Account(1)))], ..KeyChange::default() },
        KeyChange { owner: root.user_id, ..KeyChange::default() },
        KeyChange {
            rules: RulesChange {
                service_rates: Some(BTreeMap::from([("claude".into(), 0)])),
                ..RulesChange::default()
            },
            ..KeyChange::default()
        },
    ] {
        let mine = issue(&t, &ann, named("mine")).await.expect("a key").key;
        assert_eq!(code(change(&t, &ann, mine.id, refused.clone()).await), "FORBIDDEN", "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_bounded_by_the_setting() {
    let t = TestApp::new().await;
    let (ann, root) = (t.user("ann").await, t.admin().await);
    let to = BTreeMap::from([(names::USER_KEY_PERMISSIONS.to_owned(), Some("claude".to_owned()))]);
    setting::put(&t, &root, &to).await.expect("set");
    let claude = Permissions::Only(vec![Service::Claude]);
    assert_eq!(code(issue(&t, &ann, named("all")).await), "FORBIDDEN");
    let fits = issue(&t, &ann, NewKey { permissions: claude.clone(), ..named("c") }).await.expect("a key").key;
    let wider = KeyChange { permissions: Some(Permissions::All), ..KeyChange::default() };
    assert_eq!(code(change(&t, &ann, fits.id, wider.clone()).await), "FORBIDDEN");
    assert_eq!(change(&t, &root, fits.id, wider).await.expect("changed").permissions, Permissions::All);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_with_its_field() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let limits = |f: fn(&mut KeyLimits)| {
        let mut limits = KeyLimits::default();
        f(&mut limits);
        NewKey { limits, ..named("k") }
    };
    let rules = |f: fn(&mut KeyRules)| {
        let mut rules = KeyRules::default();
        f(&mut rules);
        NewKey { rules, ..named("k") }
    };
    let now = t.clock.now();
    for (field, new) in [
        ("name", named("  ")),
        ("name", named(&"x".repeat(101))),
        ("description", NewKey { description: "x".repeat(501), ..named("k") }),
        ("limits.windowRequests", limits(|l| l.window_requests = -1)),
        ("limits.weekStartDay", limits(|l| l.week_start_day = 8)),
        ("limits.weekStartHour", limits(|l| l.week_start_hour = 24)),
        ("limits.dailyCost", limits(|l| l.daily_cost = Micros(i64::MAX))),
        ("rules.ips.0", rules(|r| r.ips = vec!["10.0.0.0/99".into()])),
        ("rules.bodyLimit", rules(|r| r.body_limit = -1)),
        ("rules.serviceRates.cooking", rules(|r| r.service_rates = BTreeMap::from([("cooking".into(), 1)]))),
        ("tags.0", NewKey { tags: vec![" ".into()], ..named("k") }),
        ("budget", NewKey { budget: Some(Micros(-1)), ..named("k") }),
        ("expiresAt", NewKey { expiry: Expiry::At(now), ..named("k") }),
        ("activateMs", NewKey { expiry: Expiry::FromFirstUse(0), ..named("k") }),
        ("owner", NewKey { owner: Some(999), ..named("k") }),
        (
            "bindings.0",
            NewKey { bindings: vec![Binding { slot: Slot::Claude, to: BoundTo::Account(9) }], ..named("k") },
        ),
    ] {
        match issue(&t, &root, new).await {
            Err(Error::Invalid { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    assert_eq!(count(&t, &root, &KeyFilter::default()).await.expect("a count"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_numbered_and_whole_or_nothing() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let batch = |count| Batch { base: "team".into(), count, each: NewKey::default() };
    assert_eq!(code(issue_many(&t, &root, batch(1)).await), "BAD_USER_INPUT");
    assert_eq!(code(issue_many(&t, &root, batch(501)).await), "BAD_USER_INPUT");
    let issued = issue_many(&t, &root, batch(3)).await.expect("keys");
    let all: Vec<&str> = issued.iter().map(|i| i.key.name.as_str()).collect();
    assert_eq!(all, ["team_1", "team_2", "team_3"]);
    let bad = Batch { each: NewKey { budget: Some(Micros(-1)), ..NewKey::default() }, ..batch(5) };
    assert!(issue_many(&t, &root, bad).await.is_err());
    assert_eq!(count(&t, &root, &KeyFilter::default()).await.expect("a count"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_answers_with_the_first_key() {
    let t = TestApp::new().await;
    let ann = t.user("ann").await;
    let new = NewKey { idem_key: Some("once".into()), ..named("mine") };
    let first = issue(&t, &ann, new.clone()).await.expect("a key");
    let again = issue(&t, &ann, new).await.expect("the same key");
    assert_eq!(first.key.id, again.key.id);
    assert_eq!(first.secret.reveal(), again.secret.reveal());
    let other = NewKey { idem_key: Some("once".into()), ..named("another") };
    assert_eq!(code(issue(&t, &ann, other).await), "IDEMPOTENCY_KEY_REUSED");
    let batch =
        || Batch { base: "b".into(), count: 2, each: NewKey { idem_key: Some("many".into()), ..NewKey::default() } };
    let first = issue_many(&t, &ann, batch()).await.expect("keys");
    let again = issue_many(&t, &ann, batch()).await.expect("the same keys");
    assert_eq!(first[1].secret.reveal(), again[1].secret.reveal());
    assert_eq!(count(&t, &ann, &KeyFilter::default()).await.expect("a count"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_writers_wins() {
    let t = TestApp::new().await;
    let ann = t.user("ann").await;
    let key = issue(&t, &ann, named("mine")).await.expect("a key").key;
    let to =
        |name: &str| KeyChange { name: Some(name.into()), expected_version: Some(key.version), ..KeyChange::default() };
    let (one, two) = tokio::join!(change(&t, &ann, key.id, to("one")), change(&t, &ann, key.id, to("two")));
    let codes = [code(one), code(two)];
    assert!(codes.contains(&"OK") && codes.contains(&"STALE_VERSION"), "{codes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_key_is_gone_until_it_is_restored_or_purged() {
    let t = TestApp::new().await;
    let (ann, root) = (t.user("ann").await, t.admin().await);
    let issued = issue(&t, &ann, named("mine")).await.expect("a key");
    let id = issued.key.id;
    assert_eq!(code(restore(&t, &root, id).await), "NOT_DELETED");
    assert_eq!(code(purge(&t, &root, id).await), "NOT_DELETED");
    let gone = delete(&t, &ann, id).await.expect("deleted");
    assert_eq!(gone.deleted_by.as_deref(), Some("ann"));
    assert_eq!(gone.state(t.clock.now()), KeyState::Deleted);
    assert_eq!(code(get(&t, &ann, id).await), "NOT_FOUND");
    assert_eq!(code(delete(&t, &ann, id).await), "NOT_FOUND");
    assert!(find_by_secret(&t, issued.secret.reveal()).await.expect("asked").is_none());
    let only = KeyFilter { deleted: Deleted::Only, ..KeyFilter::default() };
    assert_eq!(count(&t, &root, &only).await.expect("a count"), 1);
    assert_eq!(code(count(&t, &ann, &only).await), "FORBIDDEN");
    restore(&t, &root, id).await.expect("restored");
    assert!(get(&t, &ann, id).await.is_ok());
    for id in [id, issue(&t, &ann, named("two")).await.expect("a key").key.id] {
        delete(&t, &root, id).await.expect("deleted");
    }
    assert_eq!(purge_all_deleted(&t, &root).await.expect("purged"), 2);
    assert_eq!(code(purge(&t, &root, id).await), "NOT_FOUND");
    let with = KeyFilter { deleted: Deleted::With, ..KeyFilter::default() };
    assert_eq!(count(&t, &root, &with).await.expect("a count"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_may_begin_with_the_first_use() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let key = issue(&t, &root, NewKey { expiry: Expiry::FromFirstUse(DAY), ..named("k") }).await.expect("a key").key;
    assert!(!key.is_activated() && key.expires_at.is_none());
    t.advance(HOUR);
    let now = t.clock.now();
    let used = first_use(&t, key.id).await.expect("used").expect("the first time");
    assert_eq!(used.expires_at, Some(now.plus(DAY)));
    assert!(first_use(&t, key.id).await.expect("used").is_none(), "only once");
    assert_eq!(code(activate_now(&t, &root, key.id).await), "CANNOT_ACTIVATE");
    t.advance(DAY);
    let ended = get(&t, &root, key.id).await.expect("the key");
    assert_eq!(ended.state(t.clock.now()), KeyState::Expired);
    // A longer life keeps its beginning.
    let longer = set_expiry(&t, &root, key.id, Expiry::FromFirstUse(2 * DAY)).await.expect("changed");
    assert_eq!(longer.expires_at, Some(now.plus(2 * DAY)));
    let never = set_expiry(&t, &root, key.id, Expiry::Never).await.expect("changed");
    assert_eq!((never.expires_at, never.expiry_mode), (None, ExpiryMode::Fixed));
    let fixed = issue(&t, &root, named("fixed")).await.expect("a key").key;
    assert_eq!(code(activate_now(&t, &root, fixed.id).await), "CANNOT_ACTIVATE");
    let waits = issue(&t, &root, NewKey { expiry: Expiry::FromFirstUse(DAY), ..named("w") }).await.expect("a key").key;
    assert!(activate_now(&t, &root, waits.id).await.expect("begun").expires_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_ends_the_old_one() {
    let t = TestApp::new().await;
    let ann = t.user("ann").await;
    let issued = issue(&t, &ann, NewKey { prefix: KeyPrefix::Cr, ..named("mine") }).await.expect("a key");
    let fresh = rotate(&t, &ann, issued.key.id, Some(issued.key.version)).await.expect("a secret");
    assert!(fresh.secret.reveal().starts_with("cr_"));
    assert!(find_by_secret(&t, issued.secret.reveal()).await.expect("asked").is_none());
    assert!(find_by_secret(&t, fresh.secret.reveal()).await.expect("asked").is_some());
    assert_eq!(code(rotate(&t, &ann, issued.key.id, Some(issued.key.version)).await), "STALE_VERSION");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_keys_are_changed_each_on_its_own() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let tagged = |tags: &[&str]| NewKey { tags: tags.iter().map(|s| (*s).to_owned()).collect(), ..named("k") };
    let one = issue(&t, &root, tagged(&["a", "b"])).await.expect("a key").key;
    let two = issue(&t, &root, tagged(&["b"])).await.expect("a key").key;
    let add = KeyChange { tags: Some(TagChange::Add(vec!["c".into(), "b".into()])), ..KeyChange::default() };
    let done = change_many(&t, &root, &[one.id, 999, two.id], &add).await.expect("done");
    let tags: Vec<_> = done.iter().map(|(_, r)| r.as_ref().ok().map(|k| k.tags.0.join(""))).collect();
    assert_eq!(tags, [Some("abc".into()), None, Some("bc".into())]);
    assert_eq!(code(change_many(&t, &root, &[], &add).await), "BAD_USER_INPUT");
    let remove = KeyChange { tags: Some(TagChange::Remove(vec!["b".into()])), ..KeyChange::default() };
    change_many(&t, &root, &[one.id], &remove).await.expect("done");
    let found = super::tags(&t, &root).await.expect("tags");
    assert_eq!(found, BTreeMap::from([("a".into(), 1), ("b".into(), 1), ("c".into(), 2)]));
    assert_eq!(rename_tag(&t, &root, "c", "b").await.expect("renamed"), 2);
    assert_eq!(remove_tag(&t, &root, "a").await.expect("removed"), 1);
    assert_eq!(super::tags(&t, &root).await.expect("tags"), BTreeMap::from([("b".into(), 2)]));
    assert_eq!(code(remove_tag(&t, &root, "zzz").await), "NOT_FOUND");
    let gone = delete_many(&t, &root, &[one.id, one.id]).await.expect("done");
    assert!(gone[0].1.is_ok() && gone[1].1.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_filter_sort_and_page() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let (ann, _) = t.person("ann", Role::User).await;
    let now = t.clock.now();
    let claude = Permissions::Only(vec![Service::Claude]);
    let specs = [
        NewKey { expiry: Expiry::At(now.plus(HOUR)), tags: vec!["50%".into()], ..named("Alpha") },
        NewKey { permissions: claude, group: Some("vip".into()), ..named("beta") },
        NewKey { status: KeyStatus::Disabled, owner: Some(ann.id), ..named("gamma") },
        NewKey { budget: Some(Micros(0)), tags: vec!["x".into()], ..named("delta") },
    ];
    for new in specs {
        issue(&t, &root, new).await.expect("a key");
        t.advance(1);
    }
    let found = async |filter: KeyFilter| {
        let order = (KeyOrder::Name, Direction::Asc);
        let page = list(&t, &root, &filter, order, &Seek::default()).await.expect("a page");
        page.rows.into_iter().map(|k| k.name).collect::<Vec<_>>().join(" ")
    };
    let all = KeyFilter::default;
    assert_eq!(found(all()).await, "Alpha beta delta gamma");
    assert_eq!(found(KeyFilter { search: Some("ALPH".into()), ..all() }).await, "Alpha");
    assert_eq!(found(KeyFilter { search: Some("ann".into()), ..all() }).await, "gamma");
    assert_eq!(found(KeyFilter { search: Some("%".into()), ..all() }).await, "");
    assert_eq!(found(KeyFilter { tags: vec!["50%".into(), "x".into()], ..all() }).await, "Alpha delta");
    assert_eq!(found(KeyFilter { tags: vec!["50".into()], ..all() }).await, "");
    assert_eq!(found(KeyFilter { permission: Some(Service::Gemini), ..all() }).await, "Alpha delta gamma");
    assert_eq!(found(KeyFilter { group: Some("vip".into()), ..all() }).await, "beta");
    assert_eq!(found(KeyFilter { expires_until: Some(now.plus(2 * HOUR)), ..all() }).await, "Alpha");
    let later = now.plus(2 * HOUR);
    for (state, names) in [
        (KeyState::Active, "beta"),
        (KeyState::Expired, "Alpha"),
        (KeyState::Disabled, "gamma"),
        (KeyState::Exhausted, "delta"),
    ] {
        assert_eq!(found(KeyFilter { state: Some((state, later)), ..all() }).await, names, "{state}");
    }
    for order in [
        KeyOrder::CreatedAt,
        KeyOrder::Name,
        KeyOrder::ExpiresAt,
        KeyOrder::LastUsedAt,
        KeyOrder::Spent,
        KeyOrder::Status,
        KeyOrder::Cost { from: now, until: later },
    ] {
        for direction in [Direction::Asc, Direction::Desc] {
            let window = Window { limit: 100, offset: 0 };
            let whole = pages(&t, &root, &all(), (order, direction), window).await.expect("a page");
            assert_eq!(whole.total, 4);
            let whole: Vec<i64> = whole.rows.iter().map(|k| k.id).collect();
            let mut walked = Vec::new();
            let mut seek = Seek { take: 3, ..Seek::default() };
            loop {
                let page = list(&t, &root, &all(), (order, direction), &seek).await.expect("a page");
                walked.extend(page.rows.iter().map(|k| k.id));
                let Some(last) = page.rows.last().filter(|_| page.has_next) else { break };
                seek.after = Some(crate::page::Cursor { key: last.cursor_key(order), id: last.id });
            }
            assert_eq!(walked, whole, "{order:?} {direction:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bindings_follow_their_accounts() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let draft = AccountDraft::new(AccountKind::ClaudeConsole, "console", Credentials::lines("sk-1"));
    let account = account::add(&t, &root, draft).await.expect("an account");
    let bound = |slot| NewKey { bindings: vec![Binding { slot, to: BoundTo::Account(account.id) }], ..named("k") };
    assert_eq!(code(issue(&t, &root, bound(Slot::Gemini)).await), "BAD_USER_INPUT");
    let key = issue(&t, &root, bound(Slot::ClaudeConsole)).await.expect("a key").key;
    let any = issue(&t, &root, bound(Slot::Any)).await.expect("a key").key;
    let of = KeyFilter { bound_account: Some(account.id), ..KeyFilter::default() };
    assert_eq!(count(&t, &root, &of).await.expect("a count"), 2);
    let of = KeyFilter { bound_account: Some(account.id * 10), ..KeyFilter::default() };
    assert_eq!(count(&t, &root, &of).await.expect("a count"), 0);
    let free = KeyChange { rebind: vec![(Slot::Any, None)], ..KeyChange::default() };
    assert!(change(&t, &root, any.id, free).await.expect("freed").bindings.is_empty());
    assert_eq!(account::bound_keys(&t, &root).await.expect("counts").get(&BoundTo::Account(account.id)), Some(&1));
    assert_eq!(account::delete(&t, &root, account.id).await.expect("deleted"), 1);
    assert!(get(&t, &root, key.id).await.expect("the key").bindings.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_announced_and_audited_without_the_secret() {
    use crate::model::audit::AuditFilter;
    let t = TestApp::new().await;
    let root = t.admin().await;
    let mut bus = t.bus.listen();
    let issued = issue(&t, &root, named("k")).await.expect("a key");
    match bus.next().await.as_deref() {
        Some(Event::KeyChanged { id, digest }) => assert_eq!((*id, digest), (issued.key.id, &issued.key.digest)),
        other => panic!("{other:?}"),
    }
    let log = audit::list(&t, &root, &AuditFilter::default(), &Seek::default()).await.expect("the log");
    let entry = &log.rows[0];
    assert_eq!(entry.action, "api_key.issue");
    for secret in [issued.secret.reveal(), &issued.key.digest] {
        assert!(!format!("{entry:?}").contains(secret.as_str()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_bounds_how_many_keys_people_make() {
    let t = TestApp::new().await;
    let (ann, root) = (t.user("ann").await, t.admin().await);
    let plans = crate::service::plan::init_defaults(&t, &root).await.expect("plans");
    let free = plans.iter().find(|p| p.slug == "free").expect("a free plan");
    let most = usize::try_from(free.features.max_api_keys.expect("a limit")).expect("a few");
    let many = |count| Batch { base: "b".into(), count, each: NewKey::default() };
    assert_eq!(code(issue_many(&t, &ann, many(most + 1)).await), "PLAN_KEY_LIMIT");
    for _ in 1..most {
        issue(&t, &ann, named("mine")).await.expect("a key");
    }
    // The last place goes to one of two.
    let (one, two) = tokio::join!(issue(&t, &ann, named("one")), issue(&t, &ann, named("two")));
    let codes = [code(one), code(two)];
    assert!(codes.contains(&"OK") && codes.contains(&"PLAN_KEY_LIMIT"), "{codes:?}");
    assert!(issue(&t, &root, NewKey { owner: ann.user_id, ..named("gift") }).await.is_ok(), "not held to plans");
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_keys_somebody_has_all_are_seen_and_switched_off() {
    let t = TestApp::new().await;
    let (ann, bob, root) = (t.user("ann").await, t.user("bob").await, t.admin().await);
    let (anns, bobs) = (ann.user_id.expect("ann"), bob.user_id.expect("bob"));
    for n in 0..7 {
        // Several of the same moment, and several of others.
        t.advance(if n % 3 == 0 { HOUR } else { 0 });
        let new = NewKey { owner: Some(anns), ..named(&format!("key {n}")) };
        issue(&t, &root, new).await.expect("a key");
    }
    let other = issue(&t, &root, NewKey { owner: Some(bobs), ..named("bob's") }).await.expect("a key").key;
    let all = all_of(&t, &ann, anns, Deleted::Without, 2).await.expect("all of them");
    let times: Vec<_> = all.iter().map(|key| key.created_at).collect();
    assert_eq!((all.len(), times.is_sorted_by(|a, b| a >= b)), (7, true));
    assert_eq!(code(all_of(&t, &bob, anns, Deleted::Without, 2).await), "NOT_FOUND");
    let off = KeyChange { status: Some(KeyStatus::Disabled), ..KeyChange::default() };
    change(&t, &root, all[3].id, off).await.expect("one is off already");
    delete(&t, &root, all[4].id).await.expect("one is gone");

    assert_eq!(code(disable_all_of(&t, &ann, anns, 2).await), "FORBIDDEN");
    assert_eq!(disable_all_of(&t, &root, anns, 2).await.expect("page by page"), 5);
    assert_eq!(disable_all_of(&t, &root, anns, 2).await.expect("nothing left"), 0);
    let all = all_of(&t, &root, anns, Deleted::With, 3).await.expect("all of them");
    let standing: Vec<_> = all.iter().filter(|key| key.status == KeyStatus::Active).map(|key| key.id).collect();
    assert_eq!((all.len(), standing.len()), (7, 1), "only the deleted one is as it was: {standing:?}");
    assert_eq!(get(&t, &root, other.id).await.expect("bob's").status, KeyStatus::Active);
}
