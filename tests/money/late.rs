//! Time: orders that expire, payments that come late, and news that comes late of payments that did not.

use harness::fake_pay::{TradeState, Tweak};
use schema::model::order::{Method, OrderStatus};
use schema::service::order;
use schema::service::setting::names;

use crate::shop::{METHODS, MINUTE, Shop};

#[tokio::test(flavor = "multi_thread")]
async fn an_unpaid_order_ends_here_and_at_the_provider() {
    let s = Shop::open().await;
    let mut orders = Vec::new();
    for method in METHODS {
        orders.push(s.topup(method).await);
    }
    s.pay.alipay.open(&orders[0].no);
    s.advance(15 * MINUTE);
    assert_eq!(order::expire_due(&s).await.expect("a round"), 3);
    for order in &orders {
        assert_eq!(s.read(order).await.status, OrderStatus::Expired, "{}", order.method);
        assert_eq!(s.trade(order).state, TradeState::Closed, "{}", order.method);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_payment_is_activated_or_given_back_by_the_rule() {
    let s = Shop::open().await;
    for method in METHODS {
        s.set(&[(names::LATE_PAYMENT, "activate")]).await;
        let before = s.balance().await;
        let order = s.topup(method).await;
        s.advance(15 * MINUTE);
        order::expire_due(&s).await.expect("a round");
        s.advance(MINUTE);
        s.pay_and_tell(&order).await;
        assert_eq!(s.read(&order).await.status, OrderStatus::Activated, "{method}");
        assert_eq!(s.balance().await, before + 10_000_000, "{method}");

        s.set(&[(names::LATE_PAYMENT, "refund")]).await;
        let order = s.topup(method).await;
        s.advance(15 * MINUTE);
        order::expire_due(&s).await.expect("a round");
        s.advance(MINUTE);
        s.pay_and_tell(&order).await;
        let order = s.read(&order).await;
        assert_eq!(s.trade(&order).refunded(), 7_200, "{method}");
        if order.status == OrderStatus::Paid {
            // WeChat Pay and Stripe may take a moment; the next round hears of it.
            s.advance(2 * MINUTE);
            order::reconcile_due(&s).await.expect("a round");
        }
        assert_eq!(s.read(&order).await.status, OrderStatus::Refunded, "{method}");
        assert_eq!(s.balance().await, before + 10_000_000, "nothing reached the wallet");
    }
    s.adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_in_time_counts_though_the_news_is_late() {
    let s = Shop::open().await;
    s.set(&[(names::LATE_PAYMENT, "refund")]).await;
    for (n, method) in (1..).zip(METHODS) {
        let order = s.topup(method).await;
        s.advance(14 * MINUTE);
        s.paid(&order);
        s.advance(2 * MINUTE);
        // The order is ended, the provider refuses to close what is paid, is asked, and says when.
        order::expire_due(&s).await.expect("a round");
        assert_eq!(s.read(&order).await.status, OrderStatus::Activated, "{method}");
        assert_eq!(s.balance().await, n * 10_000_000);
        s.deliver(method, &s.message(&order, &Tweak::default())).await;
        assert_eq!(s.outcomes(&order).await, ["accepted", "replayed"], "{method}");
        assert_eq!(s.balance().await, n * 10_000_000);
    }
    s.adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_hang_are_asked_about() {
    let s = Shop::open().await;
    let mut orders = Vec::new();
    for method in METHODS {
        orders.push(s.topup(method).await);
    }
    assert_eq!(order::reconcile_due(&s).await.expect("a round").asked, 0, "too fresh to hang");
    for order in &orders {
        s.paid(order);
    }
    s.advance(2 * MINUTE);
    let round = order::reconcile_due(&s).await.expect("a round");
    assert_eq!((round.asked, round.failed), (3, 0));
    for order in &orders {
        assert_eq!(s.read(order).await.status, OrderStatus::Activated, "{}", order.method);
    }
    assert_eq!(s.balance().await, 30_000_000);
    assert_eq!(order::reconcile_due(&s).await.expect("a round").asked, 0);
    s.adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_nobody_told_of_is_found_after_the_order_ended() {
    let s = Shop::open().await;
    let order = s.topup(Method::WechatPay).await;
    order::cancel(&s, &s.bob, &order.no, None).await.expect("cancelled");
    assert_eq!(s.trade(&order).state, TradeState::Closed);
    s.advance(MINUTE);
    s.paid(&order);
    s.advance(40 * MINUTE);
    order::reconcile_due(&s).await.expect("a round");
    assert_eq!(s.read(&order).await.status, OrderStatus::Activated);
    assert_eq!(s.balance().await, 10_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ended_at_the_provider_ends_here() {
    let s = Shop::open().await;
    let order = s.topup(Method::Stripe).await;
    let message = s.pay.stripe.event(&order.no, "checkout.session.expired", &Tweak::default());
    s.deliver(Method::Stripe, &message).await;
    assert_eq!(s.read(&order).await.status, OrderStatus::Cancelled);
    assert_eq!(s.outcomes(&order).await, ["closed"]);
    s.pay_and_tell(&order).await;
    assert_eq!(s.read(&order).await.status, OrderStatus::Activated, "money that came counts");
}
