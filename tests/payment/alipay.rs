//! Alipay: page and QR payment, query, refund, close; what is believed and what is not.

use std::sync::Arc;

use harness::fake_pay::{Delivery, FakePay, Mood, TradeState, Tweak};
use schema::payment::{
    AlipayConfig, NoticeError, NoticeStatus, PayError, PayMode, PayState, ProviderConfig, RefundStatus,
};

use crate::{Merchant, Shop, order, refund};

const ORDER: &str = "SUB1000001";

/// An order that is open at the provider, waiting for its payer.
async fn waiting(fake: &FakePay) -> Merchant {
    let merchant = Merchant::new(&fake.alipay.config());
    let now = fake.clock.now_ms();
    let created = merchant.provider.create(&merchant.http, &order(ORDER, "CNY", PayMode::Qr, now), now).await;
    created.expect("the order is taken");
    fake.alipay.open(ORDER);
    merchant
}

#[tokio::test]
async fn the_page_is_signed_and_takes_the_payer_there() {
    let fake = FakePay::start().await;
    let merchant = Merchant::new(&fake.alipay.config());
    let now = fake.clock.now_ms();
    let intent = merchant.provider.create(&merchant.http, &order(ORDER, "CNY", PayMode::Page, now), now).await;
    let url = intent.expect("a page").pay_url.expect("an address");
    assert!(fake.alipay.trade(ORDER).is_none(), "nothing is sent before the payer goes there");

    let page = merchant.http.get(&url).send().await.expect("the page answers");
    assert_eq!(page.status(), 200);
    let trade = fake.alipay.trade(ORDER).expect("the payer opened it");
    assert_eq!((trade.amount, trade.state), (1999, TradeState::Open));
    assert_eq!(trade.subject, "Pro plan 专业版  more  1 month");
    assert_eq!(trade.notify_url, "http://127.0.0.1:9/notify");

    // Whoever changes the price breaks the signature.
    let cheaper = url.replace("19.99", "0.01");
    assert_ne!(cheaper, url);
    let refused = merchant.http.get(&cheaper).send().await.expect("the page answers");
    assert!(refused.text().await.expect("a text").contains("isv.invalid-signature"));
    assert_eq!(fake.alipay.refusals().len(), 1);
}

#[tokio::test]
async fn a_scanned_code_is_paid_and_the_notification_believed() {
    let fake = Arc::new(FakePay::start().await);
    let merchant = Merchant::new(&fake.alipay.config());
    let shop = Shop::open(&merchant, &fake).await;
    let now = fake.clock.now_ms();
    let mut wanted = order(ORDER, "CNY", PayMode::Qr, now);
    wanted.notify_url = shop.url.clone();
    let intent = merchant.provider.create(&merchant.http, &wanted, now).await.expect("a code");
    assert_eq!(intent.qr_content.as_deref(), Some("https://qr.alipay.example/SUB1000001"));
    assert_eq!(merchant.provider.query(&merchant.http, ORDER, None, now).await, Ok(PayState::Pending));

    assert_eq!(fake.alipay.pay(ORDER).await, Delivery { status: 200, body: "success".to_owned() });
    let notice = shop.seen().pop().expect("a notification").expect("a genuine one");
    let trade = fake.alipay.trade(ORDER).expect("a trade");
    assert_eq!((notice.status, notice.amount_minor, notice.currency.as_str()), (NoticeStatus::Paid, 1999, "CNY"));
    assert_eq!((notice.order_no.as_str(), notice.raw_kind.as_str()), (ORDER, "TRADE_SUCCESS"));
    assert_eq!(notice.transaction_id.as_ref(), Some(&trade.transaction_id));
    assert_eq!(notice.paid_at_ms, Some(trade.paid_at_ms / 1000 * 1000));

    let state = merchant.provider.query(&merchant.http, ORDER, None, now).await.expect("an answer");
    let paid = PayState::Paid {
        transaction_id: trade.transaction_id,
        amount_minor: 1999,
        currency: "CNY".to_owned(),
        paid_at_ms: trade.paid_at_ms / 1000 * 1000,
    };
    assert_eq!(state, paid);
    assert_eq!(fake.alipay.refusals(), Vec::<String>::new());
}

#[tokio::test]
async fn the_same_notification_again_has_the_same_number() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    fake.alipay.mark_paid(ORDER);
    let message = fake.alipay.message(ORDER, &Tweak::default());
    let now = fake.clock.now_ms();
    let first = merchant.read(&message, now).await.expect("genuine");
    let again = merchant.read(&message, now + 1000).await.expect("a replay is as genuine");
    assert_eq!(first, again);
}

#[tokio::test]
async fn what_alipay_did_not_sign_for_us_is_refused() {
    let fake = Arc::new(FakePay::start().await);
    let merchant = waiting(&fake).await;
    fake.alipay.mark_paid(ORDER);
    let now = fake.clock.now_ms();
    let honest = fake.alipay.message(ORDER, &Tweak::default());

    let tampered = [("19.99", "0.01"), ("SUB1000001", "SUB1000002"), ("TRADE_SUCCESS", "TRADE_FINISHED")];
    for (from, to) in tampered {
        assert_eq!(merchant.read(&honest.tampered(from, to), now).await, Err(NoticeError::BadSignature), "{from}");
    }
    let cases = [
        (Tweak::forged(), NoticeError::BadSignature),
        (Tweak::merchant("2021000000000002"), NoticeError::ForeignMerchant),
        (Tweak::signed_at(now - 49 * 3_600_000), NoticeError::Stale),
        (Tweak::signed_at(now + 3_600_000), NoticeError::Stale),
    ];
    for (tweak, error) in cases {
        assert_eq!(merchant.read(&fake.alipay.message(ORDER, &tweak), now).await, Err(error), "{tweak:?}");
    }
    for (from, to) in [("sign_type=RSA2", "sign_type=RSA"), ("sign_type=RSA2", "sign_type=MD5"), ("&sign=", "&sing=")] {
        let weakened = merchant.read(&honest.tampered(from, to), now).await;
        assert!(matches!(weakened, Err(NoticeError::Malformed(_))), "{to}: {weakened:?}");
    }
    // A second value for a name must not ride along with the first one's signature.
    let mut doubled = honest.clone();
    doubled.body.extend_from_slice(b"&total_amount=0.01");
    assert!(matches!(merchant.read(&doubled, now).await, Err(NoticeError::Malformed(_))));
    for body in [&b""[..], b"\xff\xfe", b"{}", b"sign=x&sign_type=RSA2"] {
        let mut rubbish = honest.clone();
        rubbish.body = body.to_vec();
        assert!(merchant.read(&rubbish, now).await.is_err());
    }
    // The same application, another seller.
    let ProviderConfig::Alipay(settings) = fake.alipay.config() else { panic!("Alipay's settings") };
    let settings = AlipayConfig { seller_id: Some("2088000000000002".to_owned()), ..settings };
    let other = Merchant::new(&ProviderConfig::Alipay(settings));
    assert_eq!(other.read(&honest, now).await, Err(NoticeError::ForeignMerchant));
    // The shop tells Alipay to come again, in Alipay's words.
    assert_eq!(merchant.provider.notification_reply(false), (200, "text/plain", "fail"));
}

#[tokio::test]
async fn a_wrong_amount_is_reported_as_it_was_signed() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    fake.alipay.mark_paid(ORDER);
    let now = fake.clock.now_ms();
    let notice = merchant.read(&fake.alipay.message(ORDER, &Tweak::amount(1)), now).await.expect("genuine");
    assert_eq!(notice.amount_minor, 1);
    let notice = merchant.read(&fake.alipay.message(ORDER, &Tweak::order("SUB9999999")), now).await.expect("genuine");
    assert_eq!(notice.order_no, "SUB9999999");
}

#[tokio::test]
async fn refunds_are_made_once_and_told_apart_from_closing() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    let now = fake.clock.now_ms();
    let early = merchant.provider.refund(&merchant.http, &refund(ORDER, "REF0001", 500, "CNY"), now).await;
    assert!(matches!(early, Err(PayError::Refused { code, .. }) if code == "ACQ.TRADE_STATUS_ERROR"));

    fake.alipay.mark_paid(ORDER);
    for _ in 0..2 {
        let made = merchant.provider.refund(&merchant.http, &refund(ORDER, "REF0001", 500, "CNY"), now).await;
        assert_eq!(made.map(|state| state.status), Ok(RefundStatus::Succeeded));
        assert_eq!(fake.alipay.trade(ORDER).expect("a trade").refunded(), 500);
    }
    let state = merchant.provider.query(&merchant.http, ORDER, None, now).await;
    assert!(matches!(state, Ok(PayState::Paid { .. })), "a partial refund leaves it paid");
    let partial = merchant.read(&fake.alipay.message(ORDER, &Tweak::default()), now).await;
    assert_eq!(partial.map(|notice| notice.status), Ok(NoticeStatus::Paid));

    let too_much = merchant.provider.refund(&merchant.http, &refund(ORDER, "REF0002", 1999, "CNY"), now).await;
    assert!(matches!(too_much, Err(PayError::Refused { .. })));
    let rest = merchant.provider.refund(&merchant.http, &refund(ORDER, "REF0003", 1499, "CNY"), now).await;
    assert_eq!(rest.map(|state| state.status), Ok(RefundStatus::Succeeded));
    assert_eq!(merchant.provider.query(&merchant.http, ORDER, None, now).await, Ok(PayState::Refunded));
    let whole = merchant.read(&fake.alipay.message(ORDER, &Tweak::default()), now).await;
    assert_eq!(whole.map(|notice| notice.status), Ok(NoticeStatus::Refunded));
}

#[tokio::test]
async fn closing_ends_an_unpaid_order_and_no_other() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    let now = fake.clock.now_ms();
    let close = |order_no: &'static str| merchant.provider.close(&merchant.http, order_no, None, now);
    assert_eq!(close("SUB7777777").await, Ok(()), "nobody opened it");
    assert_eq!(close(ORDER).await, Ok(()));
    assert_eq!(merchant.provider.query(&merchant.http, ORDER, None, now).await, Ok(PayState::Closed));
    let closed = merchant.read(&fake.alipay.message(ORDER, &Tweak::default()), now).await;
    assert_eq!(closed.map(|notice| notice.status), Ok(NoticeStatus::Closed));
    fake.alipay.mark_paid(ORDER);
    assert!(matches!(close(ORDER).await, Err(PayError::Refused { code, .. }) if code == "ACQ.TRADE_STATUS_ERROR"));
}

#[tokio::test]
async fn answers_that_alipay_did_not_sign_are_not_believed() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    fake.alipay.mark_paid(ORDER);
    let now = fake.clock.now_ms();
    for mood in [Mood::ForgedAnswers, Mood::UnsignedAnswers, Mood::TamperedAnswers] {
        fake.alipay.set_mood(mood);
        let answer = merchant.provider.query(&merchant.http, ORDER, None, now).await;
        assert_eq!(answer, Err(PayError::Forged), "{mood:?}");
    }
    fake.alipay.set_mood(Mood::Broken);
    let broken = merchant.provider.query(&merchant.http, ORDER, None, now).await.expect_err("it is broken");
    assert!(broken.is_transient());
    fake.alipay.set_mood(Mood::Endless);
    let endless = merchant.provider.query(&merchant.http, ORDER, None, now).await;
    assert_eq!(endless, Err(PayError::Malformed("the answer is too large")));
}

#[tokio::test]
async fn impossible_orders_are_not_sent() {
    let fake = FakePay::start().await;
    let merchant = Merchant::new(&fake.alipay.config());
    let now = fake.clock.now_ms();
    let good = order(ORDER, "CNY", PayMode::Qr, now);
    let mut cases = vec![good.clone(), good.clone(), good.clone(), good.clone(), good];
    cases[0].currency = "USD".to_owned();
    cases[1].amount_minor = 0;
    cases[2].amount_minor = -5;
    cases[3].expires_at_ms = now;
    cases[4].order_no = "../../x".to_owned();
    for case in cases {
        let answer = merchant.provider.create(&merchant.http, &case, now).await;
        assert!(matches!(answer, Err(PayError::Invalid(_))), "{case:?}: {answer:?}");
    }
    let more = refund(ORDER, "REF0001", 2000, "CNY");
    assert!(matches!(merchant.provider.refund(&merchant.http, &more, now).await, Err(PayError::Invalid(_))));
    assert_eq!(fake.alipay.refusals(), Vec::<String>::new());
}
