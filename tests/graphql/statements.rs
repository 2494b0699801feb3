//! A page of forty rows takes no more statements than a page of eight, whatever is selected of each row.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use harness::{Client, PASSWORD, TestApp};
use schema::model::account::AccountKind;
use schema::model::announcement::AnnouncementKind;
use schema::model::api_key::{Binding, BoundTo, Slot};
use schema::service::account_group::{self, GroupDraft};
use schema::service::announcement::{self, Draft};
use schema::service::api_key::{self, NewKey};
use schema::service::{plan, setting, subscription, wallet};
use schema::{Actor, Micros, Role};
use serde_json::{Value, json};

use crate::world::{a_call, a_person, an_account, book};

/// Lists as people look at them, with what belongs to each row.
const LISTS: &[(&str, &str)] = &[
    (
        "keys",
        "query ($n: Int!) { apiKeys(first: $n) { nodes { name state owner { username plan { plan { slug } } } \
         usage(period: TODAY) { requests cost } all: usage { cost } \
         bindings { slot account { name health } accountGroup { name } } } pageInfo { hasNextPage } totalCount } }",
    ),
    (
        "accounts",
        "query ($n: Int!) { accounts(first: $n) { nodes { name health accountGroups { name } boundKeyCount \
         usage(period: TODAY) { requests cost } events(first: 3) { nodes { health note } totalCount } } totalCount } }",
    ),
    (
        "people",
        "query ($n: Int!) { users(first: $n) { nodes { username plan { plan { slug } limits { slug } } \
         usage(period: LAST_7_DAYS) { tokens } \
         apiKeys(first: 5) { nodes { name usage { requests } } pageInfo { hasNextPage } totalCount } \
         ledgerEntries(first: 2) { nodes { amount } totalCount } subscriptions(first: 2) { nodes { plan { name } } } \
         orders(first: 2) { nodes { number } } cardRedemptions(first: 2) { nodes { value } } } totalCount } }",
    ),
    (
        "calls",
        "query ($n: Int!) { usageRecords(first: $n) { nodes { model cost user { username } apiKey { name } \
         account { name } content { userMessage } } totalCount } }",
    ),
    (
        "wallets",
        "query ($n: Int!) { ledgerEntries(first: $n) { nodes { amount kind user { username plan { plan { name } } \
         apiKeys(first: 3) { nodes { name } } } } totalCount } }",
    ),
    // Lists inside lists that are filtered, sorted, or read from their ends.
    (
        "people, closely",
        "query ($n: Int!) { users(first: $n) { nodes { \
         apiKeys(first: 3, filter: { state: ACTIVE }, orderBy: { field: NAME, direction: ASC }) { \
         nodes { name usage { cost } } totalCount } \
         ledgerEntries(first: 2, filter: { kind: { eq: ADJUSTMENT } }) { nodes { amount user { username } } totalCount } \
         subscriptions(last: 2) { nodes { plan { name } } totalCount } \
         orders(first: 2, orderBy: { field: AMOUNT }) { nodes { number } totalCount } \
         cardRedemptions(last: 2) { nodes { value } totalCount } } } }",
    ),
    (
        "accounts, closely",
        "query ($n: Int!) { accounts(first: $n) { nodes { events(last: 2) { nodes { note } totalCount } \
         credentials { kind } proxy { kind } } } }",
    ),
    // Several lists in one operation, some of them the same, and lists two deep.
    (
        "two lists at once",
        "query ($n: Int!) { few: users(first: 2) { nodes { apiKeys(first: 2) { nodes { name usage { cost } } totalCount } } } \
         people: users(first: $n, orderBy: { field: USERNAME, direction: ASC }) { nodes { username plan { plan { slug } } \
         apiKeys(first: 2) { nodes { name usage { cost } } totalCount } } } \
         keys: apiKeys(first: $n) { nodes { owner { username plan { plan { slug } } } usage { cost } } totalCount } }",
    ),
    (
        "lists in lists in lists",
        "query ($n: Int!) { users(first: $n) { nodes { apiKeys(first: 2) { nodes { owner { \
         ledgerEntries(first: 2) { nodes { user { apiKeys(first: 1, filter: { state: ACTIVE }) { nodes { name } } } } } } } } } } }",
    ),
    (
        "nodes",
        "query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on ApiKey { name owner { username } usage { cost } } \
         ... on User { username apiKeys(first: 2) { nodes { name } totalCount } } ... on Account { name boundKeyCount } \
         ... on LedgerEntry { amount user { username } } ... on Announcement { title isRead } \
         ... on UsageRecord { model apiKey { name } } ... on AuditEntry { action } ... on Setting { name } } }",
    ),
    (
        "announcements",
        "query ($n: Int!) { announcements(first: $n) { nodes { title isRead readCount author { username } \
         stats { readCount userCount trend { day readCount } } } totalCount } }",
    ),
];

async fn fill(app: &TestApp, rows: usize) {
    let system = Actor::system();
    let plan = plan::init_defaults(&app.app, &system).await.unwrap().pop().unwrap().id;
    let draft = GroupDraft { name: "g".into(), platform: "openai".into(), description: String::new() };
    let group = account_group::create(&app.app, &system, draft).await.unwrap().id;
    let mut calls = Vec::new();
    for n in 0..rows {
        let user = a_person(app, &format!("user{n}")).await;
        if n % 2 == 0 {
            subscription::grant(&app.app, &system, user, plan, None).await.unwrap();
        }
        wallet::adjust(&app.app, &system, user, Micros(5), "", None).await.unwrap();
        let account = an_account(app, AccountKind::OpenaiKey, &format!("account{n}"), None).await.id;
        account_group::add_member(&app.app, &system, group, account).await.unwrap();
        let bindings = vec![Binding { slot: Slot::Openai, to: BoundTo::Account(account) }];
        let key = NewKey { owner: Some(user), name: format!("key{n}"), bindings, ..NewKey::default() };
        let key = api_key::issue(&app.app, &system, key).await.unwrap().key.id;
        let draft = Draft {
            title: format!("news {n}"),
            content: "text".into(),
            summary: String::new(),
            kind: AnnouncementKind::General,
            priority: 0,
            expires_at: None,
        };
        announcement::create(&app.app, &system, draft).await.unwrap();
        calls.push(a_call(user, key, account, app.app.clock.now()));
    }
    book(app, calls).await;
}

/// Statements one operation takes: the middle of several tries, as others are at work beside it, and now and
/// then reads of two branches happen to meet in one. Where a number is `enough`, the least of as many tries as a slow
/// machine may need to come down to it.
async fn statements(app: &TestApp, admin: &Client, query: &str, first: usize, enough: u64) -> u64 {
    let url = app.app.config.database.url.reveal();
    let variables = match query.contains("$ids") {
        true => json!({ "ids": ids(admin, first).await }),
        false => json!({ "n": first }),
    };
    let mut taken = Vec::new();
    for _ in 0..if enough == 0 { 11 } else { 50 } {
        let before = schema::db::statements_sent(url);
        admin.data(query, variables.clone()).await;
        taken.push(schema::db::statements_sent(url) - before);
        if taken.last().is_some_and(|last| *last <= enough) {
            break;
        }
    }
    taken.sort_unstable();
    if enough == 0 { taken[taken.len() / 2] } else { taken[0] }
}

/// As many ids, of eight kinds in turn.
async fn ids(admin: &Client, many: usize) -> Vec<Value> {
    let all = "query ($n: Int!) { users(first: $n) { nodes { id } } apiKeys(first: $n) { nodes { id } } \
         accounts(first: $n) { nodes { id } } ledgerEntries(first: $n) { nodes { id } } \
         announcements(first: $n) { nodes { id } } usageRecords(first: $n) { nodes { id } } \
         auditLog(first: $n) { nodes { id } } settings(category: \"llm\") { id } }";
    let found = admin.data(all, json!({ "n": many.div_ceil(8) })).await;
    let lists: Vec<&Value> =
        found.as_object().unwrap().values().map(|list| if list.is_array() { list } else { &list["nodes"] }).collect();
    let ids: Vec<Value> = (0..many).map(|n| lists[n % lists.len()][n / lists.len()]["id"].clone()).collect();
    assert!(ids.iter().all(Value::is_string), "{ids:?}");
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_do_not_grow_with_the_page() {
    let app = TestApp::new().await;
    // One for each list, as each has points of their own; before the others, so that they are in no first page.
    let mut admins = Vec::new();
    for n in 0..LISTS.len() {
        let name = format!("admin{n}");
        app.person(&name, Role::SuperAdmin, Micros::ZERO).await;
        admins.push(app.sign_in(&name, PASSWORD).await);
    }
    fill(&app, 40).await;
    // Each list is asked for until it was alone, which may take more points than a caller has.
    let points = BTreeMap::from([("graphql_points".to_owned(), Some("10000000".to_owned()))]);
    setting::put(&app.app, &Actor::system(), &points).await.unwrap();
    let mut grown = Vec::new();
    eprintln!("| operation | statements for 8 rows | for 40 |\n|---|--:|--:|");
    for ((name, query), admin) in LISTS.iter().zip(&admins) {
        let few = statements(&app, admin, query, 8, 0).await;
        let many = statements(&app, admin, query, 40, few).await;
        eprintln!("| {name} | {few} | {many} |");
        if many > few {
            grown.push(format!("{name}: {few} statements for 8 rows, {many} for 40"));
        }
    }
    assert!(grown.is_empty(), "{grown:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_is_made_only_when_it_is_selected() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    for list in ["users", "apiKeys", "accounts", "usageRecords", "tasks", "models", "orders"] {
        let counted = format!("query ($n: Int!) {{ {list}(first: $n) {{ nodes {{ id }} totalCount }} }}");
        let with = statements(&app, &admin, &counted, 5, 0).await;
        let plain = format!("query ($n: Int!) {{ {list}(first: $n) {{ nodes {{ id }} }} }}");
        assert!(statements(&app, &admin, &plain, 5, with - 1).await < with, "{list}");
    }
}
