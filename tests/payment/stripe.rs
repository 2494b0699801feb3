//! Stripe: Checkout Sessions, webhook, refund, expiry; what is believed and what is not.

use std::sync::Arc;

use harness::fake_pay::{Delivery, FakePay, Mood, TradeState, Tweak};
use schema::payment::{
    NoticeError, NoticeStatus, PayError, PayIntent, PayMode, PayState, Provider, ProviderConfig, RefundStatus,
    StripeConfig,
};

use crate::{Merchant, Shop, order, refund};

const ORDER: &str = "SUB3000001";
const SESSION: Option<&str> = Some("cs_test_SUB3000001");

async fn waiting(fake: &FakePay) -> Merchant {
    let merchant = Merchant::new(&fake.stripe.config());
    let now = fake.clock.now_ms();
    let created = merchant.provider.create(&merchant.http, &order(ORDER, "USD", PayMode::Page, now), now).await;
    created.expect("the order is taken");
    merchant
}

#[tokio::test]
async fn a_session_is_paid_and_the_event_believed() {
    let fake = Arc::new(FakePay::start().await);
    let merchant = Merchant::new(&fake.stripe.config());
    let shop = Shop::open(&merchant, &fake).await;
    fake.stripe.set_webhook_url(&shop.url);
    let now = fake.clock.now_ms();
    let wanted = order(ORDER, "USD", PayMode::Page, now);
    let intent = merchant.provider.create(&merchant.http, &wanted, now).await.expect("a session");
    let url = "https://checkout.stripe.example/c/pay/cs_test_SUB3000001".to_owned();
    let expected = PayIntent { pay_url: Some(url), provider_ref: SESSION.map(str::to_owned), ..PayIntent::default() };
    assert_eq!(intent, expected);
    let trade = fake.stripe.trade(ORDER).expect("a trade");
    assert_eq!((trade.amount, trade.currency.as_str()), (1999, "usd"));
    assert_eq!(merchant.provider.query(&merchant.http, ORDER, SESSION, now).await, Ok(PayState::Pending));

    // Created again, also minutes later, it is the same session.
    let again = merchant.provider.create(&merchant.http, &wanted, now + 14 * 60_000).await;
    assert_eq!(again, Ok(intent));

    let said = fake.stripe.pay(ORDER).await;
    assert_eq!(said, Delivery { status: 200, body: r#"{"received":true}"#.to_owned() });
    let notice = shop.seen().pop().expect("an event").expect("a genuine one");
    assert_eq!((notice.status, notice.amount_minor, notice.currency.as_str()), (NoticeStatus::Paid, 1999, "USD"));
    assert_eq!(notice.transaction_id.as_deref(), Some("pi_SUB3000001"));
    assert_eq!((notice.order_no.as_str(), notice.raw_kind.as_str()), (ORDER, "checkout.session.completed"));

    let paid_at_ms = fake.stripe.trade(ORDER).expect("a trade").paid_at_ms / 1000 * 1000;
    let paid = PayState::Paid {
        transaction_id: "pi_SUB3000001".to_owned(),
        amount_minor: 1999,
        currency: "USD".to_owned(),
        paid_at_ms,
    };
    assert_eq!(merchant.provider.query(&merchant.http, ORDER, SESSION, now).await, Ok(paid));
    assert_eq!(fake.stripe.refusals(), Vec::<String>::new());
}

#[tokio::test]
async fn a_changed_order_under_the_same_number_is_refused() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    let now = fake.clock.now_ms();
    let mut changed = order(ORDER, "USD", PayMode::Page, now);
    changed.amount_minor = 1;
    let answer = merchant.provider.create(&merchant.http, &changed, now).await;
    assert!(matches!(answer, Err(PayError::Refused { code, .. }) if code == "idempotency_error"));
    assert_eq!(fake.stripe.trade(ORDER).expect("a trade").amount, 1999);
}

#[tokio::test]
async fn a_code_leads_to_the_same_page_and_yen_have_no_cents() {
    let fake = FakePay::start().await;
    let merchant = Merchant::new(&fake.stripe.config());
    let now = fake.clock.now_ms();
    let intent = merchant.provider.create(&merchant.http, &order(ORDER, "JPY", PayMode::Qr, now), now).await;
    let intent = intent.expect("a session");
    assert!(intent.qr_content.is_some() && intent.qr_content == intent.pay_url);
    assert_eq!(fake.stripe.trade(ORDER).expect("a trade").amount, 1999);
    fake.stripe.mark_paid(ORDER);
    let notice = merchant.read(&fake.stripe.message(ORDER, &Tweak::default()), now).await.expect("genuine");
    assert_eq!((notice.amount_minor, notice.currency.as_str()), (1999, "JPY"));
}

#[tokio::test]
async fn slow_payments_are_pending_until_the_bank_has_spoken() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    let now = fake.clock.now_ms();
    let read = async |kind: &str| {
        merchant.read(&fake.stripe.event(ORDER, kind, &Tweak::default()), now).await.map(|notice| notice.status)
    };
    assert_eq!(read("checkout.session.completed").await, Ok(NoticeStatus::Pending));
    assert_eq!(read("checkout.session.async_payment_failed").await, Ok(NoticeStatus::Closed));
    assert_eq!(read("checkout.session.expired").await, Ok(NoticeStatus::Closed));
    fake.stripe.mark_paid(ORDER);
    assert_eq!(read("checkout.session.async_payment_succeeded").await, Ok(NoticeStatus::Paid));
    let other = read("customer.created").await.expect_err("no order's business");
    assert!(other.is_acknowledged());
}

#[tokio::test]
async fn what_stripe_did_not_sign_for_us_is_refused() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    fake.stripe.mark_paid(ORDER);
    let now = fake.clock.now_ms();
    let cases = [
        (Tweak::forged(), NoticeError::BadSignature),
        (Tweak::merchant("acct_somebody_elses"), NoticeError::ForeignMerchant),
        (Tweak::signed_at(now - 302_000), NoticeError::Stale),
        (Tweak::signed_at(now + 302_000), NoticeError::Stale),
    ];
    for (tweak, error) in cases {
        assert_eq!(merchant.read(&fake.stripe.message(ORDER, &tweak), now).await, Err(error), "{tweak:?}");
    }
    let honest = fake.stripe.message(ORDER, &Tweak::default());
    assert!(merchant.read(&honest, now).await.is_ok());
    for (from, to) in [("1999", "1"), (ORDER, "SUB3000002"), ("\"usd\"", "\"jpy\"")] {
        let answer = merchant.read(&honest.tampered(from, to), now).await;
        assert_eq!(answer, Err(NoticeError::BadSignature), "{from}");
    }
    assert_eq!(merchant.read(&honest, now + 600_000).await, Err(NoticeError::Stale), "a replay");
    // The same account's live side must not take its test side's events.
    let ProviderConfig::Stripe(settings) = fake.stripe.config() else { panic!("Stripe's settings") };
    let live = StripeConfig { secret_key: "sk_live_local0000000000000001".to_owned(), ..settings };
    let live = Merchant::new(&ProviderConfig::Stripe(live));
    assert_eq!(live.read(&honest, now).await, Err(NoticeError::ForeignMerchant));
    assert_eq!(merchant.provider.notification_reply(false).0, 400);
}

#[tokio::test]
async fn wrong_amounts_and_currencies_are_reported_as_they_were_signed() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    fake.stripe.mark_paid(ORDER);
    let now = fake.clock.now_ms();
    let notice = merchant.read(&fake.stripe.message(ORDER, &Tweak::amount(1)), now).await.expect("genuine");
    assert_eq!((notice.amount_minor, notice.currency.as_str()), (1, "USD"));
    let notice = merchant.read(&fake.stripe.message(ORDER, &Tweak::currency("KRW")), now).await.expect("genuine");
    assert_eq!((notice.amount_minor, notice.currency.as_str()), (1999, "KRW"));
}

#[tokio::test]
async fn refunds_are_made_once() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    let now = fake.clock.now_ms();
    let mut part = refund(ORDER, "REF-0001", 500, "USD");
    part.provider_ref = SESSION.map(str::to_owned);
    let early = merchant.provider.refund(&merchant.http, &part, now).await;
    assert_eq!(early, Err(PayError::Invalid("the order has no payment to refund")));
    fake.stripe.mark_paid(ORDER);
    for _ in 0..2 {
        let made = merchant.provider.refund(&merchant.http, &part, now).await.expect("accepted");
        assert_eq!((made.status, made.refund_id.as_deref()), (RefundStatus::Succeeded, Some("re_REF_0001")));
        assert_eq!(fake.stripe.trade(ORDER).expect("a trade").refunded(), 500);
    }
    let partly = merchant.read(&fake.stripe.event(ORDER, "charge.refunded", &Tweak::default()), now).await;
    assert!(partly.is_err_and(|error| error.is_acknowledged()));
    let state = merchant.provider.query(&merchant.http, ORDER, SESSION, now).await;
    assert!(matches!(state, Ok(PayState::Paid { .. })));

    let mut rest = refund(ORDER, "REF-0002", 1499, "USD");
    rest.provider_ref = Some("pi_SUB3000001".to_owned());
    assert!(merchant.provider.refund(&merchant.http, &rest, now).await.is_ok());
    assert_eq!(merchant.provider.query(&merchant.http, ORDER, SESSION, now).await, Ok(PayState::Refunded));
    let whole = merchant.read(&fake.stripe.event(ORDER, "charge.refunded", &Tweak::default()), now).await;
    let whole = whole.expect("genuine");
    assert_eq!((whole.status, whole.order_no.as_str()), (NoticeStatus::Refunded, ORDER));
}

#[tokio::test]
async fn closing_expires_an_open_session_and_no_other() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    let now = fake.clock.now_ms();
    for _ in 0..2 {
        assert_eq!(merchant.provider.close(&merchant.http, ORDER, SESSION, now).await, Ok(()));
        assert_eq!(fake.stripe.trade(ORDER).map(|trade| trade.state), Some(TradeState::Closed));
    }
    assert_eq!(merchant.provider.query(&merchant.http, ORDER, SESSION, now).await, Ok(PayState::Closed));
    fake.stripe.mark_paid(ORDER);
    let late = merchant.provider.close(&merchant.http, ORDER, SESSION, now).await;
    assert!(matches!(late, Err(PayError::Refused { status: 400, .. })));
    for reference in [None, Some("../refunds"), Some("")] {
        let answer = merchant.provider.close(&merchant.http, ORDER, reference, now).await;
        assert!(matches!(answer, Err(PayError::Invalid(_))), "{reference:?}");
    }
    let other = merchant.provider.query(&merchant.http, "SUB3000009", SESSION, now).await;
    assert!(matches!(other, Err(PayError::Malformed(_))), "an answer about another order");
}

#[tokio::test]
async fn a_wrong_key_is_refused_without_being_shown() {
    let fake = FakePay::start().await;
    let ProviderConfig::Stripe(settings) = fake.stripe.config() else { panic!("Stripe's settings") };
    let config = StripeConfig { secret_key: "sk_test_wrong".to_owned(), ..settings };
    let merchant = Merchant::new(&ProviderConfig::Stripe(config));
    let now = fake.clock.now_ms();
    let error = merchant.provider.create(&merchant.http, &order(ORDER, "USD", PayMode::Page, now), now).await;
    let text = format!("{error:?}");
    assert!(text.contains("401") && !text.contains("sk_test"), "{text}");

    fake.stripe.set_mood(Mood::Broken);
    let error = merchant.provider.query(&merchant.http, ORDER, SESSION, now).await.expect_err("it is broken");
    assert!(error.is_transient());
    // Nobody listens there any more.
    let ProviderConfig::Stripe(settings) = fake.stripe.config() else { panic!("Stripe's settings") };
    drop(fake);
    let gone = Provider::new(&ProviderConfig::Stripe(settings)).expect("settings that work");
    let mut last = Ok(PayState::Pending);
    for _ in 0..50 {
        last = gone.query(&merchant.http, ORDER, SESSION, now).await;
        if matches!(last, Err(PayError::Unreachable(_))) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let error = last.expect_err("nobody is there");
    assert!(error.is_transient() && !error.to_string().contains("127.0.0.1"), "{error}");
}
