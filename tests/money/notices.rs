//! Notifications: the proven and fitting make an order paid, everything else changes nothing and is written down.

use harness::fake_pay::{Mood, Tweak};
use schema::model::order::{Method, OrderStatus};
use schema::service::order::{self, Wanted};
use schema::service::setting::names;
use schema::service::subscription;

use crate::shop::{METHODS, MINUTE, Shop, is_yes};

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_counts_once_however_often_it_is_told() {
    let s = Shop::open().await;
    for (n, method) in (1..).zip(METHODS) {
        let order = s.topup(method).await;
        assert_eq!(order.status, OrderStatus::Pending);
        assert!(order.qr_content.is_some() || order.pay_url.is_some(), "{method}");
        assert_eq!(s.trade(&order).amount, 7_200);
        s.paid(&order);
        let message = s.message(&order, &Tweak::default());
        let replies = futures_util::future::join_all((0..8).map(|_| s.deliver(method, &message))).await;
        assert!(replies.iter().all(|r| is_yes(method, *r)), "{method}: {replies:?}");
        let paid = s.read(&order).await;
        assert_eq!((paid.status, paid.paid_amount), (OrderStatus::Activated, Some(7_200)), "{method}");
        assert_eq!(paid.paid_at, Some(s.clock.now()), "{method}");
        assert_eq!(s.balance().await, n * 10_000_000, "{method}");
        let mut outcomes = s.outcomes(&order).await;
        outcomes.sort_unstable();
        assert_eq!(outcomes, [&["accepted"][..], &["replayed"; 7]].concat(), "{method}");
    }
    s.adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_proven_changes_nothing() {
    let s = Shop::open().await;
    for method in METHODS {
        let order = s.topup(method).await;
        s.paid(&order);
        let now = s.clock.now().0;
        // Older than any repetition: Alipay, who is the most patient, goes on for a day.
        let old = Tweak::signed_at(now - 49 * 60 * MINUTE);
        for (tweak, outcome) in [(Tweak::forged(), "forged"), (old, "stale"), (Tweak::merchant("9999"), "foreign")] {
            let before = s.doubts(method).await.len();
            let reply = s.deliver(method, &s.message(&order, &tweak)).await;
            assert!(!is_yes(method, reply), "{method} {outcome}: {reply:?}");
            let doubts = s.doubts(method).await;
            assert_eq!(doubts.get(before), Some(&outcome), "{method}: {doubts:?}");
        }
        let reply = s.deliver(method, &s.message(&order, &Tweak::default()).tampered("7", "8")).await;
        assert!(!is_yes(method, reply), "{method}");
        assert_eq!(s.read(&order).await.status, OrderStatus::Pending, "{method}");
        assert!(s.outcomes(&order).await.is_empty(), "nothing unproven is said of an order");
    }
    assert_eq!(s.balance().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_order_changes_nothing() {
    let s = Shop::open().await;
    let foreign = s.topup(Method::Alipay).await;
    for method in METHODS {
        let order = s.topup(method).await;
        s.paid(&order);
        let mut wrong = vec![(Tweak::amount(7_199), "wrong_amount"), (Tweak::amount(720_000), "wrong_amount")];
        if method != Method::Alipay {
            wrong.push((Tweak::currency("USD"), "wrong_currency"));
        }
        for (tweak, outcome) in wrong {
            let reply = s.deliver(method, &s.message(&order, &tweak)).await;
            assert!(is_yes(method, reply), "it is genuine, and telling again would not help: {reply:?}");
            assert_eq!(s.outcomes(&order).await.last(), Some(&outcome), "{method}");
        }
        if method != Method::Alipay {
            s.deliver(method, &s.message(&order, &Tweak::order(&foreign.no))).await;
            assert_eq!(s.outcomes(&foreign).await.last(), Some(&"wrong_method"), "{method}");
        }
        s.deliver(method, &s.message(&order, &Tweak::order("PAY0000000000000NOBODY"))).await;
        assert_eq!((s.read(&order).await.status, s.balance().await), (OrderStatus::Pending, 0), "{method}");
    }
    assert_eq!(s.read(&foreign).await.status, OrderStatus::Pending);
    // And the honest word still counts.
    s.pay_and_tell(&foreign).await;
    assert_eq!(s.balance().await, 10_000_000);
    s.adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_in_effect_when_it_is_paid() {
    let s = Shop::open().await;
    let order = s.plan("pro", Method::WechatPay).await;
    assert_eq!((order.amount, order.currency.as_str()), (39_900, "CNY"));
    let page = order::page(&s, &order.no).await.expect("a page");
    assert!(page.payable && page.qr_content.is_some() && page.pay_url.is_none());
    s.pay_and_tell(&order).await;
    let held = subscription::current(&s, &s.bob, s.bob_id).await.expect("held");
    assert_eq!(held.plan.map(|p| p.slug).as_deref(), Some("pro"));
    let page = order::page(&s, &order.no).await.expect("a page");
    assert!(!page.payable && page.qr_content.is_none(), "a paid order shows no code");
}

#[tokio::test(flavor = "multi_thread")]
async fn alipay_sends_the_payer_to_a_page_where_it_is_set_to() {
    let s = Shop::open().await;
    s.set(&[(names::ALIPAY_MODE, "page")]).await;
    let order = s.topup(Method::Alipay).await;
    assert!(order.pay_url.as_deref().is_some_and(|u| u.starts_with("http://127.0.0.1")) && order.qr_content.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_leaves_no_open_order() {
    let s = Shop::open().await;
    for method in METHODS {
        s.set_mood(method, Mood::Broken);
        let wanted = Wanted::Topup { amount: 7_200, currency: "CNY".to_owned() };
        let refused = order::place(&s, &s.bob, wanted, method).await.expect_err("a refusal");
        assert_eq!(refused.code(), "UPSTREAM_ERROR", "{method}");
    }
    let filter = schema::model::order::OrderFilter::default();
    let window = schema::page::Window { limit: 10, offset: 0 };
    let orders = order::list(&s, &s.admin, &filter, Default::default(), window).await.expect("orders");
    assert_eq!(orders.total, 3);
    assert!(orders.rows.iter().all(|o| o.status == OrderStatus::Cancelled && !o.note.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_set_up_is_offered_and_heard() {
    let s = Shop::open().await;
    assert_eq!(order::methods(&s), [Method::Alipay, Method::WechatPay, Method::Stripe, Method::Wallet]);
    let order = s.topup(Method::Stripe).await;
    s.paid(&order);
    let message = s.message(&order, &Tweak::default());
    // Switched off for new orders, the provider is still believed about the old ones.
    s.set(&[(names::STRIPE_ENABLED, "false")]).await;
    let wanted = Wanted::Topup { amount: 7_200, currency: "CNY".to_owned() };
    assert!(order::place(&s, &s.bob, wanted.clone(), Method::Stripe).await.is_err());
    assert!(is_yes(Method::Stripe, s.deliver(Method::Stripe, &message).await));
    assert_eq!(s.balance().await, 10_000_000);
    s.set(&[(names::STRIPE_WEBHOOK_SECRET, ""), (names::STRIPE_ENABLED, "true")]).await;
    assert_eq!(s.deliver(Method::Stripe, &message).await.0, 503);
    let refused = order::place(&s, &s.bob, wanted, Method::Stripe).await.expect_err("a refusal");
    assert_eq!(refused.code(), "UNAVAILABLE");
    for method in [Method::BankTransfer, Method::Wallet, Method::Free] {
        assert_eq!(s.deliver(method, &message).await.0, 404, "{method}");
    }
}
