use super::*;
use crate::clock::{DAY, MINUTE};
use crate::model::card::CardStatus;
use crate::money::Micros;
use crate::service::plan::{get as get_plan, init_defaults};
use crate::service::setting::{self, names};
use crate::service::{api_key, subscription, wallet};
use crate::testing::{START, TestApp};

fn order(count: usize, worth: Worth) -> Mint {
    Mint {
        count,
        worth,
        form: CodeForm::Grouped { prefix: "CRD".into() },
        uses: 1,
        expires_at: Some(START.plus(30 * DAY)),
        name: String::new(),
        note: "双11活动卡密".into(),
    }
}

const DOLLAR: Worth = Worth::Credit(Micros(1_000_000));

#[tokio::test(flavor = "multi_thread")]
async fn one_card_fifty_people_one_winner() {
    let t = TestApp::new().await;
    let admin = t.admin().await;
    let code = mint(&t, &admin, order(1, DOLLAR)).await.expect("minted").remove(0).code;
    let mut people = Vec::new();
    for n in 0..50 {
        people.push(t.user(&format!("user{n}")).await);
    }
    let tries = futures_util::future::join_all(people.iter().map(|p| redeem(&t, p, &code))).await;
    let won = tries.iter().filter(|r| r.is_ok()).count();
    assert_eq!(won, 1);
    for refused in tries.iter().filter_map(|r| r.as_ref().err()) {
        assert_eq!(refused.detail_code(), Some("CARD_USED"));
    }
    let filter = RedemptionFilter::default();
    let all = redemptions(&t, &admin, &filter, Window { limit: 10, offset: 0 }).await.expect("a page");
    assert_eq!((all.total, all.rows[0].value), (1, Micros(1_000_000)));
    assert!(wallet::check_ledger(&t).await.expect("a check").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_for_many_serves_each_of_them_once() {
    let t = TestApp::new().await;
    let admin = t.admin().await;
    let many = Mint { uses: 3, form: CodeForm::Given("WELCOME2024".into()), ..order(1, DOLLAR) };
    mint(&t, &admin, many.clone()).await.expect("minted");
    assert_eq!(mint(&t, &admin, many).await.expect_err("a duplicate").detail_code(), Some("ALREADY_EXISTS"));
    let ann = t.user("ann").await;
    let first = redeem(&t, &ann, " welcome2024 ").await.expect("redeemed");
    assert_eq!((first.amount, first.balance, first.card.uses_left), (Micros(1_000_000), Micros(1_000_000), 2));
    assert_eq!(redeem(&t, &ann, "WELCOME2024").await.expect_err("twice").detail_code(), Some("CARD_USED"));
    for name in ["bob", "cid"] {
        redeem(&t, &t.user(name).await, "WELCOME2024").await.expect("redeemed");
    }
    assert_eq!(
        redeem(&t, &t.user("dan").await, "WELCOME2024").await.expect_err("none left").detail_code(),
        Some("CARD_USED")
    );
    assert!(wallet::check_ledger(&t).await.expect("a check").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_why() {
    let t = TestApp::new().await;
    let (admin, bob) = (t.admin().await, t.user("bob").await);
    let made = mint(&t, &admin, order(2, DOLLAR)).await.expect("minted");
    let off = CardChange { enabled: Some(false), ..CardChange::default() };
    let card = &made[0].card;
    change(&t, &admin, card.id, off.clone(), Some(card.version)).await.expect("changed");
    let stale = change(&t, &admin, card.id, off, Some(card.version)).await.expect_err("stale");
    assert_eq!(stale.detail_code(), Some("STALE_VERSION"));
    assert_eq!(redeem(&t, &bob, &made[0].code).await.expect_err("off").detail_code(), Some("CARD_DISABLED"));
    assert_eq!(redeem(&t, &bob, "CRD-0000-0000-0000").await.expect_err("none").detail_code(), Some("CARD_NOT_FOUND"));
    t.advance(30 * DAY);
    assert_eq!(redeem(&t, &bob, &made[1].code).await.expect_err("late").detail_code(), Some("CARD_EXPIRED"));
    let nobody = Actor::anonymous(crate::Face::Commercial, "", "");
    assert_eq!(redeem(&t, &nobody, "X").await.map_err(|e| e.code()).map(|_| ()), Err("UNAUTHENTICATED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_limited_and_honest_redeeming_is_not() {
    let t = TestApp::new().await;
    let (admin, bob) = (t.admin().await, t.user("bob").await);
    let made = mint(&t, &admin, order(30, DOLLAR)).await.expect("minted");
    for minted in &made {
        redeem(&t, &bob, &minted.code).await.expect("redeemed");
    }
    for n in 0..20 {
        let refused = redeem(&t, &bob, &format!("CRD-{n:04}-0000-0000")).await.expect_err("a guess");
        assert_eq!(refused.detail_code(), Some("CARD_NOT_FOUND"), "{n}");
    }
    assert_eq!(redeem(&t, &bob, &made[0].code).await.map_err(|e| e.code()).map(|_| ()), Err("RATE_LIMITED"));
    let ann = t.user("ann").await;
    assert_eq!(redeem(&t, &ann, &made[0].code).await.expect_err("used").detail_code(), Some("CARD_USED"));
    t.advance(11 * MINUTE);
    assert_eq!(redeem(&t, &bob, &made[0].code).await.expect_err("used").detail_code(), Some("CARD_USED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_card_begins_a_subscription() {
    let t = TestApp::new().await;
    let (admin, bob) = (t.admin().await, t.user("bob").await);
    init_defaults(&t, &admin).await.expect("plans");
    let pro = get_plan(&t, &admin, "pro").await.expect("pro");
    let worth = Worth::Plan { plan_id: pro.id, days: 30 };
    let made = mint(&t, &admin, Mint { form: CodeForm::Hex, ..order(1, worth) }).await.expect("minted");
    let redeemed = redeem(&t, &bob, &made[0].code.to_uppercase()).await.expect("redeemed");
    let (s, plan) = redeemed.subscription.expect("a subscription");
    assert_eq!((plan.slug.as_str(), s.expires_at, redeemed.amount), ("pro", START.plus(30 * DAY), Micros::ZERO));
    let held = subscription::current(&t, &bob, bob.signed_in().expect("an id")).await.expect("held");
    assert_eq!(held.subscription.map(|h| h.id), Some(s.id));
    assert!(mint(&t, &admin, order(1, Worth::Plan { plan_id: 99, days: 30 })).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_are_listed_counted_revealed_and_deleted_while_unused() {
    let t = TestApp::new().await;
    let (admin, bob) = (t.admin().await, t.user("bob").await);
    let made = mint(&t, &admin, order(5, DOLLAR)).await.expect("minted");
    redeem(&t, &bob, &made[0].code).await.expect("redeemed");
    let now = t.clock.now();
    let filter = CardFilter { status: Some(CardStatus::Active), ..CardFilter::default() };
    let page = list(&t, &admin, &filter, Window { limit: 3, offset: 0 }).await.expect("a page");
    assert_eq!((page.total, page.rows.len()), (4, 3));
    assert!(page.rows.iter().all(|c| c.status(now) == CardStatus::Active));
    let unused = CardFilter { without_used: true, ..CardFilter::default() };
    assert_eq!(count(&t, &admin, &unused).await.expect("a count"), 4);
    let found = CardFilter { digest: Some(digest_of(&made[2].code)), ..CardFilter::default() };
    let page = entries(&t, &admin, &found, Direction::Desc, &Seek::default()).await.expect("a page");
    assert_eq!(page.rows.len(), 1);
    assert_eq!(reveal(&t, &admin, &page.rows[0]).expect("a code"), made[2].code);
    assert!(reveal(&t, &bob, &page.rows[0]).is_err());
    let kept = delete(&t, &admin, made[0].card.id).await.expect_err("used");
    assert_eq!(kept.detail_code(), Some("CARD_USED"));
    let ids = [made[1].card.id, made[0].card.id, 9_999];
    let answers = delete_many(&t, &admin, &ids).await.expect("answers");
    let codes: Vec<Option<&str>> = answers.iter().map(|(_, r)| r.as_ref().err().map(|e| e.code())).collect();
    assert_eq!(codes, [None, Some("CONFLICT"), Some("NOT_FOUND")]);
    t.advance(31 * DAY);
    let got = stats(&t, &admin).await.expect("stats");
    let by_kind = BTreeMap::from([("credit", 4), ("plan", 0), ("time", 0)]);
    assert_eq!(got, Stats { total: 4, active: 0, used: 1, expired: 3, disabled: 0, by_kind });
    assert_eq!(stats(&t, &bob).await.map_err(|e| e.code()), Err("FORBIDDEN"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_cards_in_one_call() {
    let t = TestApp::new().await;
    let admin = t.admin().await;
    let began = std::time::Instant::now();
    let made = mint(&t, &admin, order(MOST, DOLLAR)).await.expect("minted");
    let took = began.elapsed();
    assert_eq!(made.len(), MOST);
    // A second or so in a debug build; the bound only catches a statement a card that waits for the disk.
    assert!(took < std::time::Duration::from_secs(20), "10,000 cards took {took:?}");
    assert!(mint(&t, &admin, order(MOST + 1, DOLLAR)).await.is_err());
    assert!(mint(&t, &admin, order(0, DOLLAR)).await.is_err());
    let bob = t.user("bob").await;
    assert_eq!(mint(&t, &bob, order(1, DOLLAR)).await.map_err(|e| e.code()).map(|_| ()), Err("FORBIDDEN"));
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_keep_to_the_limits_of_the_settings_once_these_are_on() {
    let t = TestApp::new().await;
    let admin = t.admin().await;
    let life = |credit: i64, days: i64| Worth::Time { credit: Micros(credit), ms: days * DAY };
    let beyond = [
        ("value", order(1, Worth::Credit(Micros(2_000_001)))),
        ("value", order(1, life(2_000_001, 1))),
        ("timeAmount", order(1, life(0, 4))),
        ("expiresAt", Mint { expires_at: Some(START.plus(3 * DAY + 1)), ..order(1, DOLLAR) }),
    ];
    for (_, order) in &beyond {
        mint(&t, &admin, order.clone()).await.expect("nothing limits it");
    }
    let limits = [(names::CARD_LIMITS, "true"), (names::CARD_MOST_USD, "2"), (names::CARD_MOST_DAYS, "3")];
    let limits = limits.into_iter().map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).collect();
    setting::put(&t, &admin, &limits).await.expect("limited");
    for (field, order) in beyond {
        match mint(&t, &admin, order.clone()).await {
            Err(Error::Invalid { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{order:?}: {other:?}"),
        }
    }
    for worth in [Worth::Credit(Micros(2_000_000)), life(2_000_000, 3)] {
        let within = Mint { expires_at: Some(START.plus(3 * DAY)), ..order(1, worth) };
        mint(&t, &admin, within).await.expect("within the limits");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_cards_have_ended_all_go_and_the_redeemed_stay_in_the_books() {
    let t = TestApp::new().await;
    let (admin, bob) = (t.admin().await, t.user("bob").await);
    let made = mint(&t, &admin, order(5, DOLLAR)).await.expect("minted");
    let twice = Mint { uses: 2, form: CodeForm::Given("TWICE-1".into()), ..order(1, DOLLAR) };
    let twice = mint(&t, &admin, twice).await.expect("minted").remove(0);
    redeem(&t, &bob, "TWICE-1").await.expect("redeemed");
    let later = Mint { expires_at: Some(START.plus(60 * DAY)), ..order(5, DOLLAR) };
    let later = mint(&t, &admin, later).await.expect("minted");
    redeem(&t, &bob, &later[4].code).await.expect("redeemed");
    let off = CardChange { enabled: Some(false), ..CardChange::default() };
    for card in [&made[0].card, &later[0].card, &later[1].card, &later[2].card] {
        change(&t, &admin, card.id, off.clone(), None).await.expect("switched off");
    }
    t.advance(31 * DAY);
    let refused = remove_ended(&t, &bob, CardKind::Credit, 2).await.expect_err("not for everybody");
    assert_eq!(refused.code(), "FORBIDDEN");
    assert_eq!(remove_ended(&t, &admin, CardKind::Credit, 2).await.expect("page by page"), 10);
    assert_eq!(remove_ended(&t, &admin, CardKind::Credit, 2).await.expect("nothing left"), 0);
    let ids = async |without_removed: bool| {
        let filter = CardFilter { without_removed, ..CardFilter::default() };
        let found = list(&t, &admin, &filter, Window { limit: 10, offset: 0 }).await.expect("a page");
        let mut ids: Vec<i64> = found.rows.iter().map(|card| card.id).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(true).await, [later[3].card.id], "the one that can be redeemed");
    assert_eq!(ids(false).await, [twice.card.id, later[3].card.id, later[4].card.id], "and those that were");
    assert_eq!(stats(&t, &admin).await.expect("stats").used, 1);
    let all = redemption_count(&t, &admin, &RedemptionFilter::default()).await.expect("a count");
    assert_eq!(all, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_was_removed_brings_nobody_anything_more() {
    let t = TestApp::new().await;
    let (admin, ann, bob) = (t.admin().await, t.user("ann").await, t.user("bob").await);
    let twice = Mint { uses: 2, form: CodeForm::Given("TWICE-1".into()), ..order(1, DOLLAR) };
    let twice = mint(&t, &admin, twice).await.expect("minted").remove(0).card;
    let unused = mint(&t, &admin, order(1, DOLLAR)).await.expect("minted").remove(0).card;
    redeem(&t, &bob, "TWICE-1").await.expect("redeemed");
    assert_eq!(remove(&t, &bob, twice.id).await.expect_err("not for everybody").code(), "FORBIDDEN");
    for card in [&twice, &unused] {
        remove(&t, &admin, card.id).await.expect("removed");
        assert_eq!(remove(&t, &admin, card.id).await.expect_err("once").code(), "NOT_FOUND");
    }
    assert_eq!(redeem(&t, &ann, "TWICE-1").await.expect_err("off").detail_code(), Some("CARD_DISABLED"));
    assert!(get(&t, &admin, twice.id).await.expect("in the books").removed_at.is_some());
    assert_eq!(get(&t, &admin, unused.id).await.expect_err("gone").code(), "NOT_FOUND");
    let on = CardChange { enabled: Some(true), ..CardChange::default() };
    let refused = change(&t, &admin, twice.id, on, None).await.expect_err("off for good");
    assert_eq!(refused.detail_code(), Some("CARD_REMOVED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_of_money_is_redeemed_for_a_key_of_ones_own_alone() {
    let t = TestApp::new().await;
    let (admin, ann, bob) = (t.admin().await, t.user("ann").await, t.user("bob").await);
    let code = mint(&t, &admin, order(1, DOLLAR)).await.expect("minted").remove(0).code;
    let new = api_key::NewKey { name: "k".into(), ..api_key::NewKey::default() };
    let key = api_key::issue(&t, &ann, new).await.expect("a key").key;
    let refused = redeem_for(&t, &bob, &code, Some(key.id)).await.expect_err("somebody else's key");
    assert_eq!(refused.code(), "NOT_FOUND");
    let done = redeem_for(&t, &ann, &code, Some(key.id)).await.expect("redeemed");
    assert_eq!((done.balance, done.key.is_none()), (Micros(1_000_000), true));
    assert!(redeemed(&t, &ann, &code).await.expect("told again").key.is_none());
    let for_it = RedemptionFilter { key_id: Some(key.id), ..RedemptionFilter::default() };
    assert_eq!(redemption_count(&t, &admin, &for_it).await.expect("a count"), 1);
}
