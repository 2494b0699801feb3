//! Refunds at the providers: never more than was paid, never twice, and undone when refused.

use harness::fake_pay::Mood;
use schema::model::order::{Method, OrderStatus};
use schema::payment::RefundStatus;
use schema::service::setting::names;
use schema::service::{order, subscription};

use crate::shop::{METHODS, MINUTE, Shop};

#[tokio::test(flavor = "multi_thread")]
async fn a_topup_goes_back_in_parts_and_no_further() {
    let s = Shop::open().await;
    for method in METHODS {
        let order = s.topup(method).await;
        s.pay_and_tell(&order).await;
        let before = s.balance().await;
        order::refund(&s, &s.admin, &order.no, Some(2_400), "a third", None).await.expect("refunded");
        assert_eq!(s.balance().await, before - 3_333_333, "{method}");
        let too_much = order::refund(&s, &s.admin, &order.no, Some(4_801), "", None).await;
        assert_eq!(too_much.expect_err("too much").code(), "BAD_USER_INPUT", "{method}");
        order::refund(&s, &s.admin, &order.no, None, "the rest", None).await.expect("refunded");
        assert_eq!(s.trade(&order).refunded(), 7_200, "{method}");
        assert_eq!(s.balance().await, before - 10_000_000, "the parts add up to the whole");
        s.advance(2 * MINUTE);
        order::reconcile_due(&s).await.expect("a round");
        assert_eq!(s.read(&order).await.status, OrderStatus::Refunded, "{method}");
        assert_eq!(s.trade(&order).refunds.len(), 2, "asking again pays nothing twice");
    }
    s.adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_refunds_at_one_moment_do_not_pay_double() {
    let s = Shop::open().await;
    let order = s.topup(Method::Alipay).await;
    s.pay_and_tell(&order).await;
    let tries =
        futures_util::future::join_all((0..6).map(|_| order::refund(&s, &s.admin, &order.no, None, "", None))).await;
    assert_eq!(tries.iter().filter(|r| r.is_ok()).count(), 1);
    assert_eq!((s.trade(&order).refunded(), s.balance().await), (7_200, 0));
    s.adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_was_not_answered_is_asked_for_again() {
    let s = Shop::open().await;
    for method in METHODS {
        let order = s.topup(method).await;
        s.pay_and_tell(&order).await;
        s.set_mood(method, Mood::Broken);
        let asked = order::refund(&s, &s.admin, &order.no, None, "", None).await.expect("asked");
        assert_eq!((asked.status, asked.order.status), (RefundStatus::Processing, OrderStatus::Activated), "{method}");
        assert_eq!(s.balance().await, 0, "it is taken at once, so that it is not spent meanwhile");
        s.advance(2 * MINUTE);
        order::reconcile_due(&s).await.expect("a round");
        assert_eq!(s.outcomes(&order).await, ["accepted", "refund_asked"], "{method}");
        s.set_mood(method, Mood::Honest);
        s.advance(2 * MINUTE);
        order::reconcile_due(&s).await.expect("a round");
        s.advance(2 * MINUTE);
        order::reconcile_due(&s).await.expect("a round");
        assert_eq!(s.outcomes(&order).await, ["accepted", "refund_done"], "{method}");
        assert_eq!(s.read(&order).await.status, OrderStatus::Refunded, "{method}");
        assert_eq!(s.trade(&order).refunded(), 7_200, "{method}");
    }
    s.adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_refund_is_undone() {
    let s = Shop::open().await;
    let order = s.topup(Method::Stripe).await;
    s.pay_and_tell(&order).await;
    s.set(&[(names::STRIPE_SECRET_KEY, "sk_test_wrong")]).await;
    let refused = order::refund(&s, &s.admin, &order.no, None, "", None).await.expect_err("a refusal");
    assert_eq!(refused.code(), "UPSTREAM_ERROR");
    let after = s.read(&order).await;
    assert_eq!((after.status, after.refunded_amount), (OrderStatus::Activated, 0));
    assert_eq!(s.balance().await, 10_000_000);
    assert_eq!(s.outcomes(&order).await, ["accepted", "refund_failed"]);
    s.adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_given_back_in_whole_ends() {
    let s = Shop::open().await;
    let order = s.plan("basic", Method::Alipay).await;
    s.pay_and_tell(&order).await;
    order::refund(&s, &s.admin, &order.no, Some(100), "kind", None).await.expect("refunded");
    let held = subscription::current(&s, &s.bob, s.bob_id).await.expect("held");
    assert!(held.subscription.is_some(), "a part leaves it as it is");
    order::refund(&s, &s.admin, &order.no, None, "", None).await.expect("refunded");
    let held = subscription::current(&s, &s.bob, s.bob_id).await.expect("held");
    assert!(held.subscription.is_none());
    assert_eq!(s.read(&order).await.status, OrderStatus::Refunded);
}
