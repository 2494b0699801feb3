//! Choices by table: one thing differs from a plain account at a time.

use std::sync::Arc;

use super::*;
use crate::model::account::{Account, AccountOptions};
use crate::money::Micros;
use crate::service::account::{Credentials, Opened};
use crate::service::directory::Live;
use crate::value::{Doc, Words};

const NOW: Time = Time(1_000_000);
const CLAUDE: u32 = AccountKind::ClaudeOauth.bit()
    | AccountKind::ClaudeConsole.bit()
    | AccountKind::Ccr.bit()
    | AccountKind::Bedrock.bit();

fn account(id: i64) -> Account {
    Account {
        id,
        uid: id.to_string(),
        kind: AccountKind::ClaudeConsole,
        name: id.to_string(),
        description: String::new(),
        enabled: true,
        schedulable: true,
        health: Health::Ok,
        health_note: String::new(),
        cool_until: None,
        base_url: None,
        credentials: Vec::new(),
        proxy: None,
        hint: String::new(),
        models: Doc(Vec::new()),
        groups: Words::default(),
        sharing: Sharing::Shared,
        priority: 50,
        weight: 1,
        max_concurrency: 0,
        daily_quota: None,
        tag: String::new(),
        options: Doc(AccountOptions::default()),
        info: Doc::default(),
        token_expires_at: None,
        subscription_expires_at: None,
        last_used_at: None,
        spent: Micros(0),
        created_at: NOW,
        updated_at: NOW,
        deleted_at: None,
        version: 1,
    }
}

fn view_of(account: Account, groups: &[i64]) -> AccountView {
    let opened = Opened { credentials: Credentials::lines("sk-1"), proxy: None };
    AccountView::of(account, Some(opened), groups.to_vec(), Arc::new(Live::default()))
}

fn idle() -> State {
    State { health: Health::Ok, cool_until: None, in_flight: 0, last_used: Time(0), spent_today: Micros(0) }
}

const PLAIN: Request<'static> = Request {
    kinds: CLAUDE,
    model: Some("claude-sonnet-4-5"),
    groups: &[],
    bindings: &[],
    bound_fallback: false,
    client: None,
    tried: &[],
    sticky: None,
    pinned: None,
};

fn lined_up(views: &[(AccountView, State)]) -> Vec<Candidate<'_>> {
    views.iter().map(|(view, state)| Candidate { view, state: *state }).collect()
}

/// Chooses among accounts with a state each.
fn pick(request: &Request<'_>, views: &[(AccountView, State)], random: u64) -> Choice {
    choose(request, &lined_up(views), Asked::All, |_| true, NOW, random)
}

fn chosen(request: &Request<'_>, views: &[(AccountView, State)], random: u64) -> Option<(i64, How)> {
    pick(request, views, random).picked.map(|p| (p.account_id, p.how))
}

#[test]
fn each_reason_is_found() {
    type Bend = fn(&mut Account, &mut State);
    let cases: &[(Option<Reason>, Bend)] = &[
        (None, |_, _| {}),
        (Some(Reason::WrongKind), |a, _| a.kind = AccountKind::GeminiKey),
        (Some(Reason::Disabled), |a, _| a.enabled = false),
        (Some(Reason::NotSchedulable), |a, _| a.schedulable = false),
        (Some(Reason::Dedicated), |a, _| a.sharing = Sharing::Dedicated),
        (Some(Reason::GroupOnly), |a, _| a.sharing = Sharing::Group),
        (Some(Reason::OtherGroup), |a, _| a.groups = Words::of(["vip"])),
        (Some(Reason::Blocked), |_, s| s.health = Health::Blocked),
        (Some(Reason::Expired), |_, s| s.health = Health::Expired),
        (Some(Reason::Cooling), |_, s| (s.health, s.cool_until) = (Health::Cooling, Some(NOW.plus(1)))),
        (None, |_, s| (s.health, s.cool_until) = (Health::Cooling, Some(NOW))),
        (Some(Reason::BeingTried), |_, s| {
            (s.health, s.cool_until, s.in_flight) = (Health::Cooling, Some(NOW), 1);
        }),
        (Some(Reason::SubscriptionEnded), |a, _| a.subscription_expires_at = Some(NOW)),
        (None, |a, _| a.subscription_expires_at = Some(NOW.plus(1))),
        (Some(Reason::ModelNotServed), |a, _| a.models = Doc(vec!["claude-opus-4-1".into()])),
        (None, |a, _| a.models = Doc(vec!["claude-sonnet-*".into()])),
        (Some(Reason::ClientNotServed), |a, _| a.options.clients = vec!["claude_code".into()]),
        (Some(Reason::QuotaSpent), |a, s| (a.daily_quota, s.spent_today) = (Some(Micros(5)), Micros(5))),
        (None, |a, s| (a.daily_quota, s.spent_today) = (Some(Micros(5)), Micros(4))),
        (None, |a, s| (a.daily_quota, s.spent_today) = (Some(Micros(0)), Micros(4))),
        (Some(Reason::Full), |a, s| (a.max_concurrency, s.in_flight) = (2, 2)),
        (None, |a, s| (a.max_concurrency, s.in_flight) = (2, 1)),
    ];
    for (i, (reason, bend)) in cases.iter().enumerate() {
        let (mut account, mut state) = (account(1), idle());
        bend(&mut account, &mut state);
        let choice = pick(&PLAIN, &[(view_of(account, &[]), state)], 0);
        let found = match choice.judged[0].verdict {
            Verdict::Refused(found) => Some(found),
            Verdict::Eligible(_) => None,
        };
        assert_eq!(found, *reason, "case {i}");
        assert_eq!(choice.picked.is_some(), reason.is_none(), "case {i}");
        assert!(!choice.judged[0].text().is_empty());
    }
    let closed = AccountView::of(account(1), None, Vec::new(), Arc::new(Live::default()));
    let choice = pick(&PLAIN, &[(closed, idle())], 0);
    assert_eq!(choice.judged[0].verdict, Verdict::Refused(Reason::DoesNotOpen));
    let view = view_of(account(1), &[]);
    for asked in [Asked::Few, Asked::All] {
        let unable = choose(&PLAIN, &[Candidate { view: &view, state: idle() }], asked, |_| false, NOW, 0);
        assert_eq!(unable.judged[0].verdict, Verdict::Refused(Reason::NotCapable));
    }
    let tried = Request { tried: &[1], ..PLAIN };
    assert_eq!(chosen(&tried, &[(view_of(account(1), &[]), idle())], 0), None);
}

#[test]
fn few_are_asked_what_they_can_do_and_the_chances_stay() {
    let views: Vec<_> = [1, 2, 3, 4].map(|id| (view_of(account(id), &[]), idle())).into();
    let candidates = lined_up(&views);
    let questions = std::cell::Cell::new(0);
    let choose_one = |asked, odd: bool, random| {
        questions.set(0);
        let able = |view: &AccountView| {
            questions.set(questions.get() + 1);
            !odd || view.account.id % 2 == 1
        };
        choose(&PLAIN, &candidates, asked, able, NOW, random).picked.expect("a choice").account_id
    };
    choose_one(Asked::Few, false, 5);
    assert_eq!(questions.get(), 1);
    choose_one(Asked::All, false, 5);
    assert_eq!(questions.get(), 4);
    let mut first = 0;
    for random in 1..=10_000 {
        let chosen = choose_one(Asked::Few, true, random);
        assert!(chosen % 2 == 1, "{chosen} cannot");
        first += u32::from(chosen == 1);
    }
    assert!((4_700..5_300).contains(&first), "{first} of 10,000");
    let full = State { in_flight: 2, ..idle() };
    let views = [(view_of(Account { max_concurrency: 2, ..account(1) }, &[]), full)];
    let choice = choose(&PLAIN, &lined_up(&views), Asked::Few, |_| false, NOW, 0);
    assert_eq!(choice.judged[0].verdict, Verdict::Refused(Reason::NotCapable), "waiting would not help");
}

#[test]
fn the_highest_priority_goes_first_and_then_the_next() {
    let views: Vec<_> = [(1, 10), (2, 90), (3, 50)]
        .map(|(id, priority)| (view_of(Account { priority, ..account(id) }, &[]), idle()))
        .into();
    assert_eq!(chosen(&PLAIN, &views, 0), Some((2, How::Only)));
    assert_eq!(chosen(&Request { tried: &[2], ..PLAIN }, &views, 0), Some((3, How::Only)));
    assert_eq!(chosen(&Request { tried: &[2, 3], ..PLAIN }, &views, 0), Some((1, How::Only)));
    assert_eq!(chosen(&Request { tried: &[1, 2, 3], ..PLAIN }, &views, 0), None);
}

#[test]
fn weights_are_proportions_and_equals_take_turns() {
    let views: Vec<_> =
        [(1, 1), (2, 3), (3, 0)].map(|(id, weight)| (view_of(Account { weight, ..account(id) }, &[]), idle())).into();
    let mut hits = [0; 4];
    for random in 0..400 {
        let (id, how) = chosen(&PLAIN, &views, random).expect("a choice");
        assert_eq!(how, How::Drawn);
        hits[usize::try_from(id).expect("small")] += 1;
    }
    assert_eq!(hits, [0, 80, 240, 80], "what weighs nothing has the smallest share, and not none");
    assert!(chosen(&Request { tried: &[1, 2], ..PLAIN }, &views, 7).is_some(), "and serves when it is alone");
    let views: Vec<_> = [1, 2, 3].map(|id| (view_of(Account { weight: 0, ..account(id) }, &[]), idle())).into();
    let mut hits = [0; 4];
    for random in 0..300 {
        let (id, how) = chosen(&PLAIN, &views, random).expect("a choice");
        assert_eq!(how, How::LeastRecent);
        hits[usize::try_from(id).expect("small")] += 1;
    }
    assert_eq!(hits, [0, 100, 100, 100], "all of them weigh nothing");
    let rested = |id, at| (view_of(account(id), &[]), State { last_used: Time(at), ..idle() });
    let views = [rested(1, 30), rested(2, 10), rested(3, 20)];
    assert_eq!(chosen(&PLAIN, &views, 9), Some((2, How::LeastRecent)));
    let views = [rested(1, 10), rested(2, 10), rested(3, 20)];
    let both: Vec<_> = (0..2).filter_map(|r| chosen(&PLAIN, &views, r)).map(|(id, _)| id).collect();
    assert_eq!(both, [1, 2], "chance decides between those who rested as long");
}

#[test]
fn a_conversation_stays_while_its_account_can_serve() {
    let views: Vec<_> =
        [(1, 90), (2, 10)].map(|(id, priority)| (view_of(Account { priority, ..account(id) }, &[]), idle())).into();
    let sticky = Request { sticky: Some(2), ..PLAIN };
    assert_eq!(chosen(&sticky, &views, 0), Some((2, How::Sticky)));
    assert_eq!(chosen(&Request { tried: &[2], ..sticky }, &views, 0), Some((1, How::Only)));
    assert_eq!(chosen(&Request { sticky: Some(99), ..PLAIN }, &views, 0), Some((1, How::Only)));
    let pinned = Request { pinned: Some(2), sticky: Some(1), ..PLAIN };
    assert_eq!(chosen(&pinned, &views, 0), Some((2, How::Pinned)));
    assert_eq!(chosen(&Request { tried: &[2], ..pinned }, &views, 0), None, "no other holds it");
}

#[test]
fn a_bound_key_goes_where_it_is_bound() {
    let bind = |slot, to| Binding { slot, to };
    let dedicated = Account { sharing: Sharing::Dedicated, ..account(1) };
    let grouped = Account { sharing: Sharing::Group, priority: 99, ..account(2) };
    let views =
        [(view_of(dedicated, &[]), idle()), (view_of(grouped, &[7]), idle()), (view_of(account(3), &[]), idle())];
    assert_eq!(chosen(&PLAIN, &views, 0), Some((3, How::Only)), "unbound keys see the shared one alone");
    let console = [bind(Slot::ClaudeConsole, BoundTo::Account(1))];
    let request = Request { bindings: &console, ..PLAIN };
    assert_eq!(chosen(&request, &views, 0), Some((1, How::Only)));
    assert_eq!(pick(&request, &views, 0).judged[2].verdict, Verdict::Refused(Reason::NotBound));
    let request = Request { tried: &[1], ..request };
    assert_eq!(chosen(&request, &views, 0), None, "bound is bound");
    let request = Request { bound_fallback: true, ..request };
    assert_eq!(chosen(&request, &views, 0), Some((3, How::Only)), "unless the setting says otherwise");
    let group = [bind(Slot::Any, BoundTo::Group(7))];
    assert_eq!(chosen(&Request { bindings: &group, ..PLAIN }, &views, 0), Some((2, How::Only)));
    let elsewhere = [bind(Slot::Gemini, BoundTo::Account(9))];
    assert_eq!(
        chosen(&Request { bindings: &elsewhere, ..PLAIN }, &views, 0),
        Some((3, How::Only)),
        "a binding for another kind says nothing"
    );
    // Slots go in their order, whatever the priorities.
    let oauth = (view_of(Account { kind: AccountKind::ClaudeOauth, priority: 1, ..account(4) }, &[]), idle());
    let both = [bind(Slot::ClaudeConsole, BoundTo::Account(3)), bind(Slot::Claude, BoundTo::Account(4))];
    let views = [(view_of(account(3), &[]), idle()), oauth];
    assert_eq!(chosen(&Request { bindings: &both, ..PLAIN }, &views, 0), Some((4, How::Only)));
}

#[test]
fn user_groups_are_tried_in_order() {
    let of = |id, group: &str, priority| {
        (view_of(Account { groups: Words::of([group]), priority, ..account(id) }, &[]), idle())
    };
    let views = [of(1, "default", 10), of(2, "vip", 90)];
    let groups = ["default".to_owned(), "vip".to_owned()];
    let request = Request { groups: &groups, ..PLAIN };
    let picked = pick(&request, &views, 0).picked.expect("a choice");
    assert_eq!((picked.account_id, picked.rank.group), (1, 0), "the first group goes before priorities");
    let picked = pick(&Request { tried: &[1], ..request }, &views, 0).picked.expect("a choice");
    assert_eq!((picked.account_id, picked.rank.group), (2, 1));
    let picked = pick(&Request { groups: &groups[1..], ..PLAIN }, &views, 0).picked.expect("a choice");
    assert_eq!(picked.account_id, 2);
}

#[test]
fn models_are_served_by_list_by_mapping_or_by_kind() {
    let mut mapped = account(1);
    mapped.kind = AccountKind::ClaudeOauth;
    mapped.options.mapping = [("my-model".to_owned(), "claude-sonnet-4-5".to_owned())].into();
    let view = view_of(mapped.clone(), &[]);
    assert!(serves(&view, "my-model") && serves(&view, "claude-opus-4-1") && !serves(&view, "gpt-5"));
    mapped.models = Doc(vec!["claude-opus-4-1".into()]);
    let view = view_of(mapped, &[]);
    assert!(!serves(&view, "my-model") && serves(&view, "claude-opus-4-1"), "a list is the whole list");
}
