//! Accounts through their service, on a database.

use super::*;
use crate::clock::{HOUR, MINUTE};
use crate::model::account::AccountKind;
use crate::page::{Seek, Window};
use crate::service::account_group::{self, GroupDraft};
use crate::testing::TestApp;

fn console(name: &str) -> AccountDraft {
    AccountDraft::new(AccountKind::ClaudeConsole, name, Credentials::lines("sk-ant-api-0123456789abcdef"))
}

fn code<T>(result: Result<T>) -> &'static str {
    match result {
        Ok(_) => "OK",
        Err(e) => e.detail_code().unwrap_or_else(|| e.code()),
    }
}

fn group(name: &str, platform: &str) -> GroupDraft {
    GroupDraft { name: name.into(), platform: platform.into(), description: String::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_sealed_opened_and_kept_out_of_the_audit_log() {
    use crate::model::audit::AuditFilter;
    let t = TestApp::new().await;
    let root = t.admin().await;
    let proxy = Proxy {
        kind: ProxyKind::Socks5,
        host: "proxy.example".into(),
        port: 1080,
        username: Some("u".into()),
        password: Some("hush-hush".into()),
    };
    let draft = AccountDraft { proxy: Some(proxy.clone()), ..console("one") };
    let account = add(&t, &root, draft).await.expect("an account");
    let stored = [account.credentials.as_slice(), account.proxy.as_deref().unwrap_or_default()].concat();
    let stored = String::from_utf8_lossy(&stored).into_owned();
    assert!(!stored.contains("sk-ant") && !stored.contains("hush"));
    assert_eq!(account.hint, "sk-ant-****cdef");
    let opened = open(&t, &account).expect("opened");
    assert_eq!(opened.credentials.keys(), ["sk-ant-api-0123456789abcdef"]);
    assert_eq!(opened.proxy, Some(proxy));
    let log = audit::list(&t, &root, &AuditFilter::default(), &Seek::default()).await.expect("the log");
    let text = format!("{:?}", log.rows);
    assert!(text.contains("account.add") && !text.contains("0123456789abcdef") && !text.contains("hush"));
    let shown = proxy_of(&t, &root, &account).expect("shown").expect("a proxy");
    assert!(shown.has_password);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_reach_accounts() {
    let t = TestApp::new().await;
    let (ann, root) = (t.user("ann").await, t.admin().await);
    let account = add(&t, &root, console("one")).await.expect("an account");
    assert_eq!(code(add(&t, &ann, console("two")).await), "FORBIDDEN");
    assert_eq!(code(get(&t, &ann, account.id).await), "FORBIDDEN");
    assert_eq!(code(toggle(&t, &ann, account.id).await), "FORBIDDEN");
    assert_eq!(code(delete(&t, &ann, account.id).await), "FORBIDDEN");
    assert_eq!(code(reset_status(&t, &ann, account.id).await), "FORBIDDEN");
    assert_eq!(code(proxy_of(&t, &ann, &account)), "FORBIDDEN");
    let all = AccountFilter::default();
    assert_eq!(code(count(&t, &ann, &all).await), "FORBIDDEN");
    assert_eq!(code(events(&t, &ann, None, &Seek::default()).await), "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_with_its_field() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let compatible = AccountDraft { kind: AccountKind::OpenaiCompatible, ..console("k") };
    let circle =
        AccountOptions { mapping: [("a".into(), "b".into()), ("b".into(), "a".into())].into(), ..Default::default() };
    for (field, draft) in [
        ("name", console(" ")),
        ("credentials", AccountDraft { credentials: Credentials::None, ..console("k") }),
        ("baseUrl", compatible),
        ("baseUrl", AccountDraft { base_url: Some("ftp://x".into()), ..console("k") }),
        ("priority", AccountDraft { priority: i64::MAX, ..console("k") }),
        ("weight", AccountDraft { weight: -1, ..console("k") }),
        ("dailyQuota", AccountDraft { daily_quota: Some(Micros(-1)), ..console("k") }),
        ("groupIds", AccountDraft { sharing: Sharing::Group, ..console("k") }),
        ("groupIds", AccountDraft { group_ids: vec![99], ..console("k") }),
        ("options.mapping", AccountDraft { options: circle, ..console("k") }),
    ] {
        match add(&t, &root, draft).await {
            Err(Error::Invalid { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    assert_eq!(count(&t, &root, &AccountFilter::default()).await.expect("a count"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_and_facts_change_field_by_field() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let account = add(&t, &root, console("one")).await.expect("an account");
    let map = |v: serde_json::Value| v.as_object().cloned().unwrap_or_default();
    let patch = AccountChange {
        options_patch: map(serde_json::json!({ "user_agent": "ua", "rate_limit_minutes": 5 })),
        info: map(serde_json::json!({ "plan": "max" })),
        ..AccountChange::default()
    };
    let after = change(&t, &root, account.id, patch).await.expect("changed");
    assert_eq!((after.options.user_agent.as_deref(), after.options.rate_limit_minutes), (Some("ua"), Some(5)));
    learn(&t, account.id, &map(serde_json::json!({ "seen": 1 }))).await.expect("learned");
    let drop_one = AccountChange {
        options_patch: map(serde_json::json!({ "user_agent": null })),
        info: map(serde_json::json!({ "plan": null })),
        ..AccountChange::default()
    };
    let after = change(&t, &root, account.id, drop_one).await.expect("changed");
    assert_eq!((after.options.user_agent.as_deref(), after.options.rate_limit_minutes), (None, Some(5)));
    assert_eq!(serde_json::Value::Object(after.info.0), serde_json::json!({ "seen": 1 }));
    let wrong = AccountChange {
        options_patch: map(serde_json::json!({ "rate_limit_minutes": "soon" })),
        ..AccountChange::default()
    };
    assert_eq!(code(change(&t, &root, account.id, wrong).await), "BAD_USER_INPUT");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_switch_at_once_each_get_their_turn() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let account = add(&t, &root, console("one")).await.expect("an account");
    let (a, b, c) = tokio::join!(
        toggle(&t, &root, account.id),
        toggle(&t, &root, account.id),
        toggle_schedulable(&t, &root, account.id)
    );
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    let after = get(&t, &root, account.id).await.expect("the account");
    assert_eq!((after.enabled, after.schedulable), (true, false));
    let stale_change =
        AccountChange { name: Some("x".into()), expected_version: Some(account.version), ..Default::default() };
    assert_eq!(code(change(&t, &root, account.id, stale_change).await), "STALE_VERSION");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_only_grows_and_ends_by_itself() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let account = add(&t, &root, console("one")).await.expect("an account");
    let now = t.clock.now();
    let rest =
        |until: i64| Mark { health: Health::Cooling, cool_until: Some(now.plus(until)), note: "429", status: 429 };
    let mut bus = t.bus.listen();
    assert!(mark(&t, account.id, rest(HOUR)).await.expect("marked"));
    assert!(matches!(bus.next().await.as_deref(), Some(Event::HealthChanged { health, .. }) if health == "cooling"));
    assert!(!mark(&t, account.id, rest(MINUTE)).await.expect("marked"), "a shorter rest changes nothing");
    assert!(mark(&t, account.id, rest(2 * HOUR)).await.expect("marked"));
    t.advance(HOUR);
    assert_eq!(recover_due(&t).await.expect("swept"), 0);
    t.advance(HOUR);
    assert_eq!(recover_due(&t).await.expect("swept"), 1);
    let blocked = Mark { health: Health::Blocked, cool_until: None, note: "organization disabled", status: 403 };
    assert!(mark(&t, account.id, blocked.clone()).await.expect("marked"));
    assert!(!mark(&t, account.id, blocked).await.expect("marked"), "no news");
    assert!(!mark(&t, account.id, rest(9 * HOUR)).await.expect("marked"), "a block is not lifted by a rest");
    assert_eq!(recover_due(&t).await.expect("swept"), 0);
    let well = reset_status(&t, &root, account.id).await.expect("reset");
    assert_eq!((well.health, well.health_note.as_str(), well.version), (Health::Ok, "", account.version));
    let log = events(&t, &root, Some(account.id), &Seek::default()).await.expect("events");
    let told: Vec<&str> = log.rows.iter().map(|e| e.health.as_str()).collect();
    assert_eq!(told, ["ok", "blocked", "ok", "cooling", "cooling"]);
    let gone = Mark { health: Health::Blocked, cool_until: None, note: "", status: 0 };
    assert!(!mark(&t, 999, gone).await.expect("marked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_credentials_waits_for_them() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let draft = AccountDraft::new(AccountKind::ClaudeOauth, "later", Credentials::None);
    let account = add(&t, &root, draft).await.expect("an account");
    assert_eq!(account.health, Health::Blocked);
    let tokens = OauthTokens {
        access_token: "at-0123456789abcdef".into(),
        expires_at: Some(t.clock.now().plus(HOUR)),
        ..OauthTokens::default()
    };
    let given = AccountChange { credentials: Some(Credentials::Oauth(tokens)), ..AccountChange::default() };
    let after = change(&t, &root, account.id, given).await.expect("changed");
    assert_eq!((after.health, after.token_expires_at), (Health::Ok, Some(t.clock.now().plus(HOUR))));
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_take_their_own_and_stay_while_needed() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let claude = account_group::create(&t, &root, group("c", "claude")).await.expect("a group");
    assert_eq!(code(account_group::create(&t, &root, group("c", "gemini")).await), "ALREADY_EXISTS");
    assert_eq!(code(account_group::create(&t, &root, group("x", "cooking")).await), "BAD_USER_INPUT");
    let gemini = account_group::create(&t, &root, group("g", "gemini")).await.expect("a group");
    let in_group = AccountDraft { sharing: Sharing::Group, group_ids: vec![claude.id], ..console("one") };
    let account = add(&t, &root, in_group).await.expect("an account");
    assert_eq!(code(account_group::add_member(&t, &root, gemini.id, account.id).await), "BAD_USER_INPUT");
    assert_eq!(code(account_group::delete(&t, &root, claude.id).await), "GROUP_HAS_MEMBERS");
    let none = AccountChange { group_ids: Some(Vec::new()), ..AccountChange::default() };
    assert_eq!(code(change(&t, &root, account.id, none).await), "BAD_USER_INPUT", "shared by group");
    let filter = |g| AccountFilter { account_group: Some(g), ..AccountFilter::default() };
    assert_eq!(count(&t, &root, &filter(Some(claude.id))).await.expect("a count"), 1);
    assert_eq!(count(&t, &root, &filter(None)).await.expect("a count"), 0);
    let groups = groups_of(&t, &root, &[account.id]).await.expect("groups");
    assert_eq!(groups[&account.id][0].name, "c");
    account_group::remove_member(&t, &root, claude.id, account.id).await.expect("removed");
    account_group::delete(&t, &root, claude.id).await.expect("deleted");
    assert_eq!(code(account_group::get(&t, &root, claude.id).await), "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_account_leaves_no_secret_behind() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let account = add(&t, &root, console("one")).await.expect("an account");
    assert_eq!(delete(&t, &root, account.id).await.expect("deleted"), 0);
    assert_eq!(code(delete(&t, &root, account.id).await), "NOT_FOUND");
    assert_eq!(code(get_by_uid(&t, &root, &account.uid).await), "NOT_FOUND");
    let mut conn = t.db.conn().await.expect("a connection");
    let row = Account::find(&mut conn, account.id).await.expect("asked").expect("the row stays for the books");
    assert_eq!(open(&t, &row).expect("opened").credentials, Credentials::None);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_filter_sort_and_page() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    for (name, priority, models) in
        [("Alpha", 10, vec!["m-1"]), ("beta", 30, vec!["m-1", "m_2"]), ("gamma", 20, vec![])]
    {
        let models = models.into_iter().map(str::to_owned).collect();
        let draft = AccountDraft { priority, models, tag: name[..1].to_owned(), ..console(name) };
        add(&t, &root, draft).await.expect("an account");
        t.advance(1);
    }
    let found = async |filter: AccountFilter| {
        let order = (AccountOrder::Name, Direction::Asc);
        let page = list(&t, &root, &filter, order, &Seek::default()).await.expect("a page");
        page.rows.into_iter().map(|a| a.name).collect::<Vec<_>>().join(" ")
    };
    let all = AccountFilter::default;
    assert_eq!(found(all()).await, "Alpha beta gamma");
    assert_eq!(found(AccountFilter { search: Some("ALP".into()), ..all() }).await, "Alpha");
    assert_eq!(found(AccountFilter { model: Some("m-1".into()), ..all() }).await, "Alpha beta");
    assert_eq!(found(AccountFilter { model: Some("mx2".into()), ..all() }).await, "");
    assert_eq!(found(AccountFilter { tag: Some("g".into()), ..all() }).await, "gamma");
    assert_eq!(found(AccountFilter { kinds: vec![AccountKind::Bedrock], ..all() }).await, "");
    assert_eq!(
        found(AccountFilter { health: Some(Health::Ok), enabled: Some(true), ..all() }).await,
        "Alpha beta gamma"
    );
    assert_eq!(tags(&t, &root).await.expect("tags"), ["A", "b", "g"]);
    let off = AccountChange { enabled: Some(false), ..AccountChange::default() };
    assert_eq!(for_tag(&t, &root, "b", &off).await.expect("changed"), 1);
    assert_eq!(found(AccountFilter { enabled: Some(false), ..all() }).await, "beta");
    for order in [
        AccountOrder::CreatedAt,
        AccountOrder::Name,
        AccountOrder::Priority,
        AccountOrder::LastUsedAt,
        AccountOrder::Spent,
    ] {
        for direction in [Direction::Asc, Direction::Desc] {
            let window = Window { limit: 100, offset: 0 };
            let whole = pages(&t, &root, &all(), (order, direction), window).await.expect("a page");
            let whole: Vec<i64> = whole.rows.iter().map(|k| k.id).collect();
            let mut walked = Vec::new();
            let mut seek = Seek { take: 2, ..Seek::default() };
            loop {
                let page = list(&t, &root, &all(), (order, direction), &seek).await.expect("a page");
                walked.extend(page.rows.iter().map(|k| k.id));
                let Some(last) = page.rows.last().filter(|_| page.has_next) else { break };
                seek.after = Some(crate::page::Cursor { key: last.cursor_key(order), id: last.id });
            }
            assert_eq!(walked, whole, "{order:?} {direction:?}");
            let every = every(&t, &root, &all(), (order, direction), 2).await.expect("all of them");
            assert_eq!(every.iter().map(|k| k.id).collect::<Vec<_>>(), whole, "{order:?} {direction:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn daily_quotas_start_anew_when_told() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let account = add(&t, &root, console("one")).await.expect("an account");
    let after = reset_usage(&t, &root, account.id).await.expect("reset");
    assert_eq!(after.options.quota_since, Some(t.clock.now()));
    assert_eq!(reset_all_usage(&t, &root, &[AccountKind::Ccr]).await.expect("reset"), 0);
    assert_eq!(reset_all_usage(&t, &root, &[AccountKind::ClaudeConsole]).await.expect("reset"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_found_by_what_opens_them_whole() {
    let t = TestApp::new().await;
    let root = t.admin().await;
    let pair = Credentials::Pair { access: "access-key-of-kling".into(), secret: "secret-of-kling".into() };
    let aws = Credentials::Aws {
        access_key_id: "AKIA-0123456789-ABCDEF".into(),
        secret_access_key: "hush".into(),
        session_token: None,
    };
    let region = AccountOptions { region: Some("us-east-1".into()), ..AccountOptions::default() };
    let mut ids = Vec::new();
    for draft in [
        AccountDraft::new(AccountKind::OpenaiKey, "one", Credentials::lines("sk-0123456789-abcdef")),
        AccountDraft::new(
            AccountKind::OpenaiKey,
            "several",
            Credentials::lines("sk-first-of-several\nsk-second-of-several"),
        ),
        AccountDraft::new(AccountKind::OpenaiKey, "short", Credentials::lines("sk-1")),
        AccountDraft::new(AccountKind::Kling, "pair", pair),
        AccountDraft { options: region, ..AccountDraft::new(AccountKind::Bedrock, "aws", aws) },
    ] {
        ids.push(add(&t, &root, draft).await.unwrap().id);
    }
    let all = all(&t).await.unwrap();
    let found = |secret: &str| opened_by(&t, &root, &all, secret).unwrap();
    for (secret, whose) in [
        ("sk-0123456789-abcdef", 0),
        ("sk-second-of-several", 1),
        ("sk-1", 2),
        ("access-key-of-kling|secret-of-kling", 3),
        ("AKIA-0123456789-ABCDEF|hush", 4),
        ("AKIA-0123456789-ABCDEF|hush|us-east-1", 4),
    ] {
        assert_eq!(found(secret), [ids[whose]], "{secret}");
    }
    // Neither a part of it, nor what only looks like it by its hint.
    for other in ["sk-0123456789", "sk-0123XXXXXX-abcdef", "sk-2", "access-key-of-kling", "AKIA-0123456789-ABCDEF|x"] {
        assert!(found(other).is_empty(), "{other}");
    }
    let ann = t.user("ann").await;
    assert_eq!(code(opened_by(&t, &ann, &all, "sk-1")), "FORBIDDEN");
}
