use super::*;
use crate::clock::HOUR;
use crate::model::ledger::{EntryKind, LedgerFilter};
use crate::model::order::{Method, OrderFilter, OrderOrder, OrderStatus};
use crate::money::Micros;
use crate::service::plan::{PlanDraft, create, delete, init_defaults, limits};
use crate::service::wallet;
use crate::testing::{START, TestApp};

async fn plan(t: &TestApp, admin: &Actor, slug: &str, price: i64, days: i64) -> Plan {
    let draft = PlanDraft {
        slug: slug.to_owned(),
        name: slug.to_owned(),
        display_name: String::new(),
        description: String::new(),
        price,
        original_price: None,
        currency: "CNY".to_owned(),
        cycle: crate::model::plan::Cycle::Custom,
        cycle_days: Some(days),
        features: crate::model::plan::PlanFeatures::default(),
        selling_points: Vec::new(),
        recommended: false,
        promotion_ends_at: None,
        is_active: true,
        is_visible: true,
        sort: 0,
    };
    create(t, admin, draft).await.expect("a plan")
}

async fn fund(t: &TestApp, admin: &Actor, user_id: i64, dollars: i64) {
    wallet::adjust(t, admin, user_id, Micros(dollars * 1_000_000), "", None).await.expect("funded");
}

async fn balance(t: &TestApp, user_id: i64) -> i64 {
    let mut conn = t.db.conn().await.expect("a connection");
    User::find(&mut conn, user_id).await.expect("a query").expect("a user").balance.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_begins_extends_and_is_seen_in_the_limits() {
    let t = TestApp::new().await;
    let (admin, bob) = (t.admin().await, t.user("bob").await);
    let id = bob.signed_in().expect("an id");
    init_defaults(&t, &admin).await.expect("plans");
    let held = current(&t, &bob, id).await.expect("what is held");
    assert!(held.is_free() && held.subscription.is_none());
    assert_eq!(held.plan.map(|p| p.slug).as_deref(), Some("free"));
    let pro = crate::service::plan::get(&t, &admin, "pro").await.expect("pro");
    let (first, holds) = grant(&t, &admin, id, pro.id, Some(10)).await.expect("granted");
    assert_eq!((first.expires_at, holds.slug.as_str()), (START.plus(10 * DAY), "pro"));
    assert_eq!(limits(&t, id).await.expect("limits").max_api_keys, Some(10));
    let (second, _) = grant(&t, &admin, id, pro.id, None).await.expect("granted");
    assert_eq!((second.id, second.expires_at), (first.id, START.plus(40 * DAY)), "the same plan is extended");
    assert_eq!(grant(&t, &bob, id, pro.id, None).await.map_err(|e| e.code()).map(|_| ()), Err("FORBIDDEN"));
    assert!(grant(&t, &admin, id, pro.id, Some(0)).await.is_err());
    assert_eq!(grant(&t, &admin, 99, pro.id, None).await.map_err(|e| e.code()).map(|_| ()), Err("NOT_FOUND"));
    t.advance(40 * DAY);
    assert_eq!(limits(&t, id).await.expect("limits").slug, "free", "over is over, before any round has run");
    assert_eq!(expire_due(&t).await.expect("a round"), 1);
    assert_eq!(expire_due(&t).await.expect("a round"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dearer_plan_replaces_and_a_cheaper_one_lengthens() {
    let t = TestApp::new().await;
    let (admin, bob) = (t.admin().await, t.user("bob").await);
    let id = bob.signed_in().expect("an id");
    let basic = plan(&t, &admin, "basic", 7_200, 30).await;
    let pro = plan(&t, &admin, "pro", 21_600, 30).await;
    let (old, _) = grant(&t, &admin, id, basic.id, Some(15)).await.expect("granted");
    let (new, _) = grant(&t, &admin, id, pro.id, Some(30)).await.expect("granted");
    assert_eq!(new.expires_at, START.plus(35 * DAY), "fifteen days at a third of the price are five");
    let mut conn = t.db.conn().await.expect("a connection");
    let old = Subscription::find(&mut conn, old.id).await.expect("a query").expect("the old one");
    drop(conn);
    assert_eq!((old.status, old.expires_at), (SubscriptionStatus::Replaced, START));
    let (same, holds) = grant(&t, &admin, id, basic.id, Some(30)).await.expect("granted");
    assert_eq!((same.id, same.expires_at), (new.id, START.plus(45 * DAY)));
    assert_eq!(holds.slug, "pro", "the dearer plan stays");
    let filter = SubscriptionFilter { user_id: Some(id), ..SubscriptionFilter::default() };
    let page = history(&t, &bob, &filter, Window { limit: 10, offset: 0 }).await.expect("a history");
    assert_eq!((page.total, page.rows[0].id), (2, new.id));
    assert!(entries(&t, &bob, &SubscriptionFilter::default(), Direction::Desc, &Seek::default()).await.is_err());
    let page = entries(&t, &bob, &filter, Direction::Asc, &Seek { take: 1, ..Seek::default() }).await.expect("a page");
    assert_eq!((page.rows.len(), page.has_next), (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_keeps_the_plan_and_ends_the_renewal() {
    let t = TestApp::new().await;
    let (admin, bob, eve) = (t.admin().await, t.user("bob").await, t.user("eve").await);
    let id = bob.signed_in().expect("an id");
    assert_eq!(cancel(&t, &bob, id, None).await.map_err(|e| e.code()).map(|_| ()), Err("NOT_FOUND"));
    let pro = plan(&t, &admin, "pro", 7_200, 30).await;
    grant(&t, &admin, id, pro.id, None).await.expect("granted");
    let (s, _) = set_auto_renew(&t, &bob, id, true, None).await.expect("on");
    assert!(s.auto_renew);
    assert_eq!(cancel(&t, &eve, id, None).await.map_err(|e| e.code()).map(|_| ()), Err("NOT_FOUND"));
    let stale = cancel(&t, &bob, id, Some(s.version - 1)).await.expect_err("stale");
    assert_eq!(stale.detail_code(), Some("STALE_VERSION"));
    let (s, _) = cancel(&t, &bob, id, Some(s.version)).await.expect("cancelled");
    assert!(!s.auto_renew && s.cancelled_at == Some(START) && s.status == SubscriptionStatus::Active);
    assert!(s.expires_at > START);
    let (again, _) = cancel(&t, &bob, id, None).await.expect("cancelled");
    assert_eq!(again.version, s.version, "asking twice changes nothing");
    let (s, _) = set_auto_renew(&t, &bob, id, true, None).await.expect("on");
    assert!(s.auto_renew && s.cancelled_at.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_paid_once_however_many_ask() {
    let t = TestApp::new().await;
    let (admin, bob) = (t.admin().await, t.user("bob").await);
    let id = bob.signed_in().expect("an id");
    let pro = plan(&t, &admin, "pro", 7_200, 30).await;
    grant(&t, &admin, id, pro.id, None).await.expect("granted");
    set_auto_renew(&t, &bob, id, true, None).await.expect("on");
    fund(&t, &admin, id, 25).await;
    assert_eq!(renew_due(&t).await.expect("a round").renewed, 0, "not yet due");
    t.advance(29 * DAY + HOUR);
    let rounds = futures_util::future::join_all((0..8).map(|_| renew_due(&t))).await;
    let renewed: usize = rounds.into_iter().map(|r| r.expect("a round").renewed).sum();
    assert_eq!(renewed, 1);
    assert_eq!(balance(&t, id).await, 15_000_000, "72 yuan are ten dollars");
    let held = current(&t, &bob, id).await.expect("held").subscription.expect("a subscription");
    assert_eq!(held.expires_at, START.plus(60 * DAY), "it goes on from its own end");
    let mut conn = t.db.conn().await.expect("a connection");
    let filter = OrderFilter { user_id: Some(id), ..OrderFilter::default() };
    let order = (OrderOrder::CreatedAt, Direction::Desc);
    let orders = Order::window(&mut conn, &filter, order, Window { limit: 5, offset: 0 }).await.expect("orders");
    drop(conn);
    assert_eq!(orders.len(), 1);
    assert_eq!((orders[0].method, orders[0].status), (Method::Wallet, OrderStatus::Activated));
    let bought = LedgerFilter { user_id: Some(id), kinds: vec![EntryKind::Purchase], ..LedgerFilter::default() };
    assert_eq!(wallet::history(&t, &admin, &bought, Window { limit: 5, offset: 0 }).await.expect("a page").total, 1);
    assert!(wallet::check_ledger(&t).await.expect("a check").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uncovered_renewal_is_told_once_and_then_ends() {
    let t = TestApp::new().await;
    let (admin, bob) = (t.admin().await, t.user("bob").await);
    let id = bob.signed_in().expect("an id");
    let pro = plan(&t, &admin, "pro", 7_200, 30).await;
    grant(&t, &admin, id, pro.id, None).await.expect("granted");
    set_auto_renew(&t, &bob, id, true, None).await.expect("on");
    fund(&t, &admin, id, 9).await;
    t.advance(29 * DAY + HOUR);
    let mut listener = t.bus.listen();
    for _ in 0..2 {
        assert_eq!(renew_due(&t).await.expect("a round"), super::renew::Renewals { unpaid: 1, ..Default::default() });
    }
    let first = listener.next().await.expect("an event");
    assert!(matches!(&*first, Event::Alert { code, .. } if code == "RENEWAL_UNPAID"));
    t.advance(DAY);
    assert_eq!(expire_due(&t).await.expect("a round"), 0, "renewing comes first");
    assert_eq!(renew_due(&t).await.expect("a round").ended, 1);
    assert!(matches!(&*listener.next().await.expect("an event"), Event::PlanChanged { user_id: Some(_) }));
    assert_eq!(balance(&t, id).await, 9_000_000, "nothing was taken");
    assert!(current(&t, &bob, id).await.expect("held").subscription.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daily_plan_renews_once_a_day_and_a_deleted_plan_not_at_all() {
    let t = TestApp::new().await;
    let (admin, bob) = (t.admin().await, t.user("bob").await);
    let id = bob.signed_in().expect("an id");
    let day = plan(&t, &admin, "day", 720, 1).await;
    grant(&t, &admin, id, day.id, None).await.expect("granted");
    set_auto_renew(&t, &bob, id, true, None).await.expect("on");
    fund(&t, &admin, id, 10).await;
    assert_eq!(renew_due(&t).await.expect("a round").renewed, 0);
    t.advance(19 * HOUR);
    assert_eq!(renew_due(&t).await.expect("a round").renewed, 1);
    assert_eq!(renew_due(&t).await.expect("a round").renewed, 0);
    assert_eq!(balance(&t, id).await, 9_000_000);
    delete(&t, &admin, day.id, None).await.expect("deleted");
    t.advance(DAY);
    assert_eq!(renew_due(&t).await.expect("a round").ended, 1);
    assert_eq!(balance(&t, id).await, 9_000_000);
}
