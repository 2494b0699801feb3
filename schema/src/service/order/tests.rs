use std::collections::BTreeMap;

use super::*;
use crate::clock::{DAY, MINUTE};
use crate::model::plan::{Cycle, PlanFeatures};
use crate::model::subscription::SubscriptionStatus;
use crate::model::user::User;
use crate::money::Micros;
use crate::payment::RefundStatus;
use crate::service::plan::{PlanDraft, create};
use crate::service::setting::{self, names};
use crate::service::{subscription, wallet};
use crate::testing::{START, TestApp};

struct Shop {
    t: TestApp,
    admin: Actor,
    bob: Actor,
    bob_id: i64,
}

impl std::ops::Deref for Shop {
    type Target = App;
    fn deref(&self) -> &App {
        &self.t
    }
}

impl Shop {
    /// A shop with a free plan, one for 72 yuan and one for 216, both for thirty days, paid by bank transfer.
    async fn open() -> Self {
        let t = TestApp::new().await;
        let (admin, bob) = (t.admin().await, t.user("bob").await);
        let bob_id = bob.signed_in().expect("an id");
        let shop = Self { t, admin, bob, bob_id };
        for (slug, price) in [("free", 0), ("basic", 7_200), ("pro", 21_600)] {
            shop.plan(slug, price).await;
        }
        shop.set(&[(names::BANK_TRANSFER_ENABLED, "true"), (names::BANK_TRANSFER_INSTRUCTIONS, "ref {order}")]).await;
        shop
    }
    async fn plan(&self, slug: &str, price: i64) {
        let draft = PlanDraft {
            slug: slug.to_owned(),
            name: slug.to_owned(),
            display_name: String::new(),
            description: String::new(),
            price,
            original_price: None,
            currency: "CNY".to_owned(),
            cycle: Cycle::Monthly,
            cycle_days: None,
            features: PlanFeatures::default(),
            selling_points: Vec::new(),
            recommended: false,
            promotion_ends_at: None,
            is_active: true,
            is_visible: true,
            sort: 0,
        };
        create(self, &self.admin, draft).await.expect("a plan");
    }
    async fn set(&self, values: &[(&str, &str)]) {
        let changes: BTreeMap<String, Option<String>> =
            values.iter().map(|(n, v)| ((*n).to_owned(), Some((*v).to_owned()))).collect();
        setting::put(self, &self.admin, &changes).await.expect("settings");
    }
    async fn order(&self, wanted: Wanted) -> Order {
        place(self, &self.bob, wanted, Method::BankTransfer).await.expect("an order").order
    }
    async fn confirm(&self, no: &str) -> Result<Order> {
        confirm_bank_transfer(self, &self.admin, no, Confirmation::default()).await
    }
    async fn balance(&self) -> i64 {
        let mut conn = self.db.conn().await.expect("a connection");
        User::find(&mut conn, self.bob_id).await.expect("a query").expect("bob").balance.0
    }
    async fn held(&self) -> subscription::Held {
        subscription::current(self, &self.bob, self.bob_id).await.expect("what is held")
    }
    async fn adds_up(&self) {
        assert!(wallet::check_ledger(self).await.expect("a check").is_empty());
    }
    async fn outcomes(&self, no: &str) -> Vec<&'static str> {
        let filter = PaymentEventFilter { order_no: Some(no.to_owned()), ..PaymentEventFilter::default() };
        let page = payment_events(self, &self.admin, &filter, &Seek::default()).await.expect("events");
        page.rows.iter().rev().map(|e| e.outcome.as_str()).collect()
    }
}

fn plan(slug: &str) -> Wanted {
    Wanted::Plan { slug: slug.to_owned() }
}

fn topup(amount: i64, currency: &str) -> Wanted {
    Wanted::Topup { amount, currency: currency.to_owned() }
}

fn refused<T: std::fmt::Debug>(outcome: Result<T>) -> (&'static str, Option<&'static str>) {
    let e = outcome.expect_err("a refusal");
    (e.code(), e.detail_code())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_costs_nothing_is_in_effect_at_once() {
    let s = Shop::open().await;
    let placed = place(&s, &s.bob, plan("free"), Method::Alipay).await.expect("an order");
    assert_eq!((placed.order.method, placed.order.status), (Method::Free, OrderStatus::Activated));
    assert_eq!((placed.order.paid_amount, s.held().await.is_free()), (None, true));
    assert!(placed.order.no.starts_with("SUB1760176800000") && placed.order.no.len() == 22, "{}", placed.order.no);
    assert_eq!(refused(s.confirm(&placed.order.no).await), ("CONFLICT", Some("NOT_BANK_TRANSFER")));
    subscription::grant(&s, &s.admin, s.bob_id, 3, None).await.expect("granted");
    let lower = place(&s, &s.bob, plan("free"), Method::Alipay).await;
    assert_eq!(refused(lower), ("CONFLICT", Some("PLAN_IS_LOWER")), "a free plan does not push a paid one away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_transfer_is_paid_when_an_administrator_says_so() {
    let s = Shop::open().await;
    assert_eq!(methods(&s), [Method::BankTransfer, Method::Wallet]);
    assert_eq!(refused(place(&s, &s.bob, plan("pro"), Method::Stripe).await).0, "BAD_USER_INPUT");
    assert_eq!(refused(place(&s, &s.bob, plan("nix"), Method::BankTransfer).await).0, "NOT_FOUND");
    let nobody = Actor::anonymous(crate::Face::Page, "", "");
    assert_eq!(refused(place(&s, &nobody, plan("pro"), Method::BankTransfer).await).0, "UNAUTHENTICATED");
    let order = s.order(plan("pro")).await;
    assert_eq!((order.status, order.amount, order.currency.as_str()), (OrderStatus::Pending, 21_600, "CNY"));
    let shown = page(&s, &order.no).await.expect("a page");
    assert_eq!(shown.instructions, Some(format!("ref {}", order.no)));
    assert!(shown.payable);

    let eve = s.t.user("eve").await;
    assert_eq!(refused(get(&s, &eve, &order.no).await).0, "NOT_FOUND");
    assert_eq!(refused(confirm_bank_transfer(&s, &s.bob, &order.no, Confirmation::default()).await).0, "FORBIDDEN");
    let short = Confirmation { amount: Some(21_599), ..Confirmation::default() };
    assert_eq!(refused(confirm_bank_transfer(&s, &s.admin, &order.no, short).await).0, "BAD_USER_INPUT");
    assert_eq!(get(&s, &s.bob, &order.no).await.expect("it").order.status, OrderStatus::Pending);

    let tries = futures_util::future::join_all((0..10).map(|_| s.confirm(&order.no))).await;
    assert_eq!(tries.iter().filter(|r| r.is_ok()).count(), 1);
    let order = get(&s, &s.bob, &order.no).await.expect("it").order;
    assert_eq!((order.status, order.paid_amount), (OrderStatus::Activated, Some(21_600)));
    let held = s.held().await.subscription.expect("a subscription");
    assert_eq!((held.expires_at, held.order_id), (START.plus(30 * DAY), Some(order.id)));
    let outcomes = s.outcomes(&order.no).await;
    assert_eq!(outcomes[..2], ["wrong_amount", "accepted"]);
    assert!(outcomes[2..].iter().all(|o| *o == "replayed"));
    assert!(!page(&s, &order.no).await.expect("a page").payable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topup_credits_the_wallet_in_dollars() {
    let s = Shop::open().await;
    let order = s.order(topup(7_200, "cny")).await;
    assert!(order.no.starts_with("PAY"));
    s.confirm(&order.no).await.expect("paid");
    assert_eq!(s.balance().await, 10_000_000);
    let order = s.order(topup(500, "USD")).await;
    s.confirm(&order.no).await.expect("paid");
    assert_eq!(s.balance().await, 15_000_000);
    for (amount, currency) in [(0, "CNY"), (-5, "CNY"), (100, "XXX"), (1, "CNY"), (i64::MAX, "USD")] {
        let outcome = place(&s, &s.bob, topup(amount, currency), Method::BankTransfer).await;
        assert_eq!(refused(outcome).0, "BAD_USER_INPUT", "{amount} {currency}");
    }
    assert_eq!(refused(place(&s, &s.bob, topup(7_200, "CNY"), Method::Wallet).await).0, "BAD_USER_INPUT");
    s.adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wallet_pays_what_it_holds_and_gets_it_back() {
    let s = Shop::open().await;
    wallet::adjust(&s, &s.admin, s.bob_id, Micros(29_999_999), "", None).await.expect("funded");
    let short = place(&s, &s.bob, plan("pro"), Method::Wallet).await;
    assert_eq!(refused(short), ("QUOTA_EXCEEDED", Some("INSUFFICIENT_BALANCE")));
    assert_eq!(count(&s, &s.admin, &OrderFilter::default()).await.expect("a count"), 0, "no trace of it");
    wallet::adjust(&s, &s.admin, s.bob_id, Micros(1), "", None).await.expect("funded");
    let order = place(&s, &s.bob, plan("pro"), Method::Wallet).await.expect("an order").order;
    assert_eq!((order.status, s.balance().await), (OrderStatus::Activated, 0));
    assert!(s.held().await.subscription.is_some());
    let part = refund(&s, &s.admin, &order.no, Some(7_201), "kind", None).await.expect("refunded");
    assert_eq!((part.status, part.order.status), (RefundStatus::Succeeded, OrderStatus::Activated));
    assert_eq!(s.balance().await, 10_001_388, "rounded down");
    let rest = refund(&s, &s.admin, &order.no, None, "", Some(part.order.version)).await.expect("refunded");
    assert_eq!((rest.order.status, s.balance().await), (OrderStatus::Refunded, 30_000_000));
    assert!(s.held().await.subscription.is_none(), "what is given back in whole ends");
    assert_eq!(refused(refund(&s, &s.admin, &order.no, None, "", None).await).1, Some("NOTHING_TO_REFUND"));
    assert_eq!(refused(refund(&s, &s.bob, &order.no, None, "", None).await).0, "FORBIDDEN");
    s.adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topup_is_paid_back_as_far_as_the_wallet_reaches() {
    let s = Shop::open().await;
    let order = s.order(topup(7_200, "CNY")).await;
    s.confirm(&order.no).await.expect("paid");
    wallet::adjust(&s, &s.admin, s.bob_id, Micros(-6_000_000), "spent", None).await.expect("spent");
    assert_eq!(refused(refund(&s, &s.admin, &order.no, None, "", None).await).1, Some("INSUFFICIENT_BALANCE"));
    let part = refund(&s, &s.admin, &order.no, Some(2_880), "", None).await.expect("refunded");
    assert_eq!((part.status, part.order.refunded_amount), (RefundStatus::Manual, 2_880));
    assert_eq!(s.balance().await, 0);
    assert_eq!(s.outcomes(&order.no).await, ["accepted", "refund_by_hand"]);
    assert_eq!(refused(refund(&s, &s.admin, &order.no, Some(5_000), "", None).await).0, "BAD_USER_INPUT");
    s.adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_takes_the_rest_off_the_price_and_only_once() {
    let s = Shop::open().await;
    let basic = s.order(plan("basic")).await;
    s.confirm(&basic.no).await.expect("paid");
    s.t.advance(15 * DAY);
    let up = || Wanted::Upgrade { slug: "pro".to_owned() };
    let (first, second) = (s.order(up()).await, s.order(up()).await);
    assert_eq!((first.amount, second.amount), (18_000, 18_000), "half of basic is 36 yuan");
    let lower = place(&s, &s.bob, Wanted::Upgrade { slug: "basic".into() }, Method::BankTransfer).await;
    assert_eq!(refused(lower).1, Some("PLAN_NOT_HIGHER"));
    s.confirm(&first.no).await.expect("paid");
    let held = s.held().await.subscription.expect("pro");
    assert_eq!(held.expires_at, START.plus(45 * DAY), "thirty days from now");
    s.confirm(&second.no).await.expect("paid");
    let held = s.held().await.subscription.expect("pro");
    assert_eq!(held.expires_at, START.plus(70 * DAY), "180 of 216 yuan are 25 of 30 days");
    let filter = crate::model::subscription::SubscriptionFilter {
        user_id: Some(s.bob_id),
        status: Some(SubscriptionStatus::Replaced),
        ..Default::default()
    };
    assert_eq!(subscription::count(&s, &s.bob, &filter).await.expect("a count"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_that_pays_for_everything_becomes_time() {
    let s = Shop::open().await;
    subscription::grant(&s, &s.admin, s.bob_id, 2, Some(120)).await.expect("basic for long");
    let order =
        place(&s, &s.bob, Wanted::Upgrade { slug: "pro".into() }, Method::Alipay).await.expect("an order").order;
    assert_eq!((order.amount, order.status, order.method), (0, OrderStatus::Activated, Method::Free));
    let held = s.held().await;
    assert_eq!(held.plan.map(|p| p.slug).as_deref(), Some("pro"));
    assert_eq!(held.subscription.map(|h| h.expires_at), Some(START.plus(40 * DAY)));
}

#[tokio::test(flavor = "multi_thread")]
async fn unpaid_orders_expire_and_an_administrator_may_still_honour_them() {
    let s = Shop::open().await;
    s.set(&[(names::BANK_TRANSFER_MINUTES, "15")]).await;
    let order = s.order(plan("pro")).await;
    assert_eq!(order.expires_at, START.plus(15 * MINUTE));
    s.t.advance(15 * MINUTE - 1);
    assert_eq!(expire_due(&s).await.expect("a round"), 0);
    s.t.advance(1);
    let rounds = futures_util::future::join_all((0..4).map(|_| expire_due(&s))).await;
    assert_eq!(rounds.into_iter().map(|r| r.expect("a round")).sum::<usize>(), 1);
    assert_eq!(get(&s, &s.bob, &order.no).await.expect("it").order.status, OrderStatus::Expired);
    assert_eq!(s.confirm(&order.no).await.expect("paid").status, OrderStatus::Activated);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_cancelled_by_their_owner_and_listed_by_page() {
    let s = Shop::open().await;
    let eve = s.t.user("eve").await;
    let order = s.order(plan("pro")).await;
    assert_eq!(refused(cancel(&s, &eve, &order.no, None).await).0, "NOT_FOUND");
    assert_eq!(refused(cancel(&s, &s.bob, &order.no, Some(99)).await).1, Some("STALE_VERSION"));
    let gone = cancel(&s, &s.bob, &order.no, None).await.expect("cancelled");
    assert_eq!(gone.status, OrderStatus::Cancelled);
    assert_eq!(refused(cancel(&s, &s.bob, &order.no, None).await).1, Some("ORDER_CLOSED"));
    assert_eq!(refused(s.confirm(&order.no).await).1, Some("ORDER_CLOSED"));
    for _ in 0..3 {
        s.t.advance(MINUTE);
        s.order(plan("basic")).await;
    }
    let mine = OrderFilter { user_id: Some(s.bob_id), ..OrderFilter::default() };
    let newest = (OrderOrder::CreatedAt, Direction::Desc);
    let found = list(&s, &s.bob, &mine, newest, Window { limit: 2, offset: 0 }).await.expect("a page");
    assert_eq!((found.total, found.rows.len()), (4, 2));
    let pending = OrderFilter { statuses: vec![OrderStatus::Pending], ..mine.clone() };
    assert_eq!(count(&s, &s.bob, &pending).await.expect("a count"), 3);
    let search = OrderFilter { search: Some(order.no[10..].to_lowercase()), ..mine.clone() };
    assert_eq!(count(&s, &s.bob, &search).await.expect("a count"), 1);
    let mut seek = Seek { take: 3, ..Seek::default() };
    let first = entries(&s, &s.bob, &mine, newest, &seek).await.expect("a page");
    let last = &first.rows[2];
    seek.after = Some(crate::page::Cursor { key: last.cursor_key(newest.0), id: last.id });
    let second = entries(&s, &s.bob, &mine, newest, &seek).await.expect("a page");
    assert_eq!((first.has_next, second.rows.len(), second.rows[0].id), (true, 1, order.id));
    assert_eq!(
        refused(list(&s, &s.bob, &OrderFilter::default(), newest, Window { limit: 2, offset: 0 }).await).0,
        "FORBIDDEN"
    );
    assert_eq!(refused(entries(&s, &eve, &mine, newest, &Seek::default()).await).0, "NOT_FOUND");
    assert_eq!(
        refused(payment_events(&s, &s.bob, &PaymentEventFilter::default(), &Seek::default()).await).0,
        "FORBIDDEN"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_hoards_unpaid_orders() {
    let s = Shop::open().await;
    for _ in 0..50 {
        s.order(plan("basic")).await;
    }
    let more = place(&s, &s.bob, plan("basic"), Method::BankTransfer).await;
    assert_eq!(refused(more).1, Some("TOO_MANY_ORDERS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_plan_that_was_paid_for_is_still_honoured() {
    let s = Shop::open().await;
    let order = s.order(plan("pro")).await;
    crate::service::plan::delete(&s, &s.admin, 3, None).await.expect("deleted");
    assert_eq!(s.confirm(&order.no).await.expect("paid").status, OrderStatus::Activated);
    assert_eq!(s.held().await.plan.map(|p| p.slug).as_deref(), Some("pro"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_order_that_cannot_be_put_into_effect_waits_and_is_tried_again() {
    let s = Shop::open().await;
    let order = s.order(topup(7_200, "CNY")).await;
    // A price in a currency whose rate was taken away: the worth of the plan is unknown for now.
    s.set(&[(names::CURRENCY_RATES, r#"{"EUR": 0.9}"#)]).await;
    let change = crate::service::plan::PlanChange { currency: Some("EUR".into()), ..Default::default() };
    crate::service::plan::change(&s, &s.admin, 3, change, None).await.expect("changed");
    let euro = s.order(plan("pro")).await;
    s.set(&[(names::CURRENCY_RATES, "{}")]).await;
    let paid = s.confirm(&euro.no).await.expect("paid");
    assert_eq!(paid.status, OrderStatus::Paid, "the money is there, the plan is not yet");
    s.confirm(&order.no).await.expect("others are not held up");
    s.set(&[(names::CURRENCY_RATES, r#"{"EUR": 0.9}"#)]).await;
    s.t.advance(6 * MINUTE);
    assert_eq!(reconcile_due(&s).await.expect("a round"), Reconciled { activated: 1, ..Reconciled::default() });
    assert_eq!(get(&s, &s.bob, &euro.no).await.expect("it").order.status, OrderStatus::Activated);
    assert!(s.held().await.subscription.is_some());
}
