use futures_util::TryStreamExt;

use super::*;
use crate::clock::{DAY, HOUR};
use crate::model::order::{Method, NewOrder, Order, OrderKind, OrderStatus};
use crate::service::card::{CodeForm, Mint, Worth, mint, redeem};
use crate::service::plan::{get, init_defaults};
use crate::testing::{START, TestApp};

/// A payment of so many minor units, `ago` milliseconds before now.
async fn paid(t: &TestApp, user_id: i64, plan_id: Option<i64>, amount: i64, currency: &str, ago: i64, refunded: i64) {
    let at = t.clock.now().plus(-ago);
    let new = NewOrder {
        no: crate::service::order::number(OrderKind::Subscription, at),
        user_id,
        kind: if plan_id.is_some() { OrderKind::Subscription } else { OrderKind::Topup },
        plan_id,
        replaces_id: None,
        amount,
        currency: currency.to_owned(),
        credit: Micros::ZERO,
        period_days: 30,
        method: Method::Stripe,
        status: OrderStatus::Activated,
        transaction_id: None,
        paid_amount: Some(amount),
        paid_currency: Some(currency.to_owned()),
        note: String::new(),
        client_ip: String::new(),
        created_at: at,
        expires_at: at,
        paid_at: Some(at),
        activated_at: Some(at),
        updated_at: at,
    };
    let mut tx = t.db.begin().await.expect("a transaction");
    let order = Order::insert(&mut tx, &new).await.expect("an order");
    if refunded > 0 {
        let change = crate::model::order::OrderChange { refunded_amount: Some(refunded), ..Default::default() };
        Order::update(&mut tx, order.id, order.version, &change, at).await.expect("an update");
    }
    tx.commit().await.expect("committed");
}

async fn zone(t: &TestApp, admin: &Actor, name: &str) {
    let changes = BTreeMap::from([(names::TIME_ZONE.to_owned(), Some(name.to_owned()))]);
    setting::put(t, admin, &changes).await.expect("a zone");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_reports_agree_and_refunds_are_off() {
    let t = TestApp::new().await;
    let (admin, bob) = (t.admin().await, t.user("bob").await);
    let id = bob.signed_in().expect("an id");
    init_defaults(&t, &admin).await.expect("plans");
    let (basic, pro) = (get(&t, &admin, "basic").await.expect("it").id, get(&t, &admin, "pro").await.expect("it").id);
    // Noon of the 11th of October: today, yesterday, the 1st, and September.
    paid(&t, id, Some(pro), 39_900, "CNY", HOUR, 0).await;
    paid(&t, id, Some(pro), 39_900, "CNY", HOUR, 19_900).await;
    paid(&t, id, Some(basic), 1_000, "USD", DAY, 0).await;
    paid(&t, id, None, 10_000, "CNY", 10 * DAY, 0).await;
    paid(&t, id, Some(basic), 10_000, "CNY", 2 * HOUR, 10_000).await;
    paid(&t, id, Some(basic), 20_000, "CNY", 20 * DAY, 0).await;

    let range = Range::of_days(&t, Some("2025-10-01"), None, None).expect("a range");
    let days = by_day(&t, &admin, range, 30).await.expect("days");
    assert_eq!((days.lines.len(), days.currency.as_str()), (11, "CNY"));
    let today = &days.lines[0];
    assert_eq!((today.label.as_str(), today.sum.revenue, today.sum.orders), ("2025-10-11", 59_900, 2));
    assert_eq!(today.sum.average("CNY"), 299.5);
    assert_eq!(days.lines[1].sum.by_currency, BTreeMap::from([("USD".to_owned(), 1_000)]));
    assert_eq!(days.lines[1].sum.revenue, 7_200, "at 7.2 yuan for a dollar");
    let of_days: i64 = days.lines.iter().map(|l| l.sum.revenue).sum();
    assert_eq!(of_days, 59_900 + 7_200 + 10_000);
    assert_eq!(by_day(&t, &admin, range, 2).await.expect("days").lines.len(), 2);

    let (year, months) = by_month(&t, &admin, None).await.expect("months");
    assert_eq!((year, months.lines.len()), (2025, 10));
    assert_eq!((months.lines[8].sum.revenue, months.lines[9].sum.revenue), (20_000, of_days));
    assert!(by_month(&t, &admin, Some(0)).await.is_err());

    let plans = by_plan(&t, &admin, range).await.expect("plans");
    assert_eq!((plans.total.revenue, plans.total.orders), (of_days, 4));
    let first = &plans.lines[0];
    assert_eq!(first.plan.as_ref().map(|p| p.slug.as_str()), Some("pro"));
    assert_eq!(first.percentage, 77.7);
    assert!(plans.lines.iter().any(|l| l.plan.is_none() && l.sum.revenue == 10_000), "top-ups are a line of their own");

    let whole = overview(&t, &admin).await.expect("an overview");
    assert_eq!((whole.today.sum.revenue, whole.this_month.sum.revenue), (59_900, of_days));
    assert_eq!((whole.last_month.sum.revenue, whole.growth_rate), (20_000, 285.5));
    let (_, growth) = growth(&t, &admin, 3).await.expect("growth");
    assert_eq!(growth.iter().map(|g| g.month.as_str()).collect::<Vec<_>>(), ["2025-08", "2025-09", "2025-10"]);
    assert_eq!((growth[1].rate, growth[2].rate, growth[2].new_users), (100.0, 285.5, 2));

    let rows: Vec<ExportRow> = export(&t, &admin, range).expect("rows").try_concat().await.expect("rows");
    assert_eq!(rows.len(), 5, "the wholly refunded one, too");
    assert_eq!(rows.iter().filter(|r| r.currency == "CNY").map(|r| r.net).sum::<i64>(), of_days - 7_200);
    assert_eq!((rows[0].username.as_str(), rows[0].plan.as_str(), rows[1].plan_name.as_str()), ("bob", "", "基础版"));
    assert!(rows.is_sorted_by_key(|r| r.paid_at));
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_the_administrators() {
    let t = TestApp::new().await;
    let (admin, bob) = (t.admin().await, t.user("bob").await);
    let id = bob.signed_in().expect("an id");
    // Kathmandu is 5:45 ahead, so its 11th begins at 18:15 of the 10th.
    let at = |text: &str| START.0 - Time::parse(text).expect("a time").0;
    paid(&t, id, None, 100, "CNY", at("2025-10-10T18:14:59Z"), 0).await;
    paid(&t, id, None, 10, "CNY", at("2025-10-10T18:15:00Z"), 0).await;
    zone(&t, &admin, "Asia/Kathmandu").await;
    let range = Range::of_days(&t, Some("2025-10-10"), Some("2025-10-11"), None).expect("a range");
    let days = by_day(&t, &admin, range, 30).await.expect("days");
    let seen: Vec<(&str, i64)> = days.lines.iter().map(|l| (l.label.as_str(), l.sum.revenue)).collect();
    assert_eq!(seen, [("2025-10-11", 10), ("2025-10-10", 100)]);
    zone(&t, &admin, "UTC").await;
    let range = Range::of_days(&t, Some("2025-10-10"), Some("2025-10-11"), None).expect("a range");
    assert_eq!(by_day(&t, &admin, range, 30).await.expect("days").lines[1].sum.revenue, 110);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_counts_people_cards_and_subscribers() {
    let t = TestApp::new().await;
    let (admin, bob) = (t.admin().await, t.user("bob").await);
    init_defaults(&t, &admin).await.expect("plans");
    let pro = get(&t, &admin, "pro").await.expect("pro").id;
    let order = Mint {
        count: 1,
        worth: Worth::Plan { plan_id: pro, days: 30 },
        form: CodeForm::Hex,
        uses: 1,
        expires_at: None,
        name: String::new(),
        note: String::new(),
    };
    let code = mint(&t, &admin, order).await.expect("minted").remove(0).code;
    redeem(&t, &bob, &code).await.expect("redeemed");
    t.advance(DAY);
    t.user("ann").await;
    let seen = overview(&t, &admin).await.expect("an overview");
    assert_eq!((seen.users, seen.subscribers), (3, 1));
    assert_eq!((seen.today.new_users, seen.today.cards_redeemed), (1, 0));
    assert_eq!((seen.this_month.new_users, seen.this_month.cards_redeemed), (3, 1));
    assert_eq!((seen.this_month.sum.revenue, seen.growth_rate), (0, 0.0), "cards are no revenue");
    assert!(by_model(&t, &admin, Range { from: Time(0), until: START }).await.expect("models").is_empty());
    let range = Range { from: Time(0), until: START };
    assert_eq!(overview(&t, &bob).await.map_err(|e| e.code()), Err("FORBIDDEN"));
    assert_eq!(by_plan(&t, &bob, range).await.map_err(|e| e.code()).map(|_| ()), Err("FORBIDDEN"));
    assert_eq!(export(&t, &bob, range).map_err(|e| e.code()).map(|_| ()), Err("FORBIDDEN"));
}

#[test]
fn rates_of_growth_have_one_decimal_and_no_division_by_nothing() {
    assert_eq!(growth_rate(125_600, 101_700), 23.5);
    assert_eq!(growth_rate(50, 100), -50.0);
    assert_eq!(growth_rate(5, 0), 100.0);
    assert_eq!(growth_rate(0, 0), 0.0);
    assert_eq!(percentage(85_680, 125_600), 68.2);
    assert_eq!(percentage(1, 0), 0.0);
}
