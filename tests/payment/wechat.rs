//! WeChat Pay: native payment, certificates and public key, query, refund, close; what is believed and what is not.

use std::sync::Arc;

use harness::fake_pay::keys::{WECHAT_PLATFORM_CERTIFICATE, WECHAT_PLATFORM_SERIAL};
use harness::fake_pay::{Delivery, FakePay, Message, Mood, Tweak};
use schema::payment::{
    NoticeError, NoticeStatus, PayError, PayMode, PayState, PlatformKeyConfig, ProviderConfig, RefundStatus,
};

use crate::{Merchant, Shop, order, refund};

const ORDER: &str = "SUB2000001";

/// An order that is open at the provider.
async fn waiting(fake: &FakePay) -> Merchant {
    let merchant = Merchant::new(&fake.wechat.config());
    let now = fake.clock.now_ms();
    let created = merchant.provider.create(&merchant.http, &order(ORDER, "CNY", PayMode::Qr, now), now).await;
    created.expect("the order is taken");
    merchant
}

fn with_header(message: &Message, name: &str, value: &str) -> Message {
    let mut changed = message.clone();
    changed.headers.retain(|(known, _)| known != name);
    changed.headers.push((name.to_owned(), value.to_owned()));
    changed
}

#[tokio::test]
async fn a_scanned_code_is_paid_and_the_notification_believed() {
    let fake = Arc::new(FakePay::start().await);
    let merchant = Merchant::new(&fake.wechat.config());
    let shop = Shop::open(&merchant, &fake).await;
    let now = fake.clock.now_ms();
    let mut wanted = order(ORDER, "CNY", PayMode::Qr, now);
    wanted.notify_url = shop.url.clone();
    let intent = merchant.provider.create(&merchant.http, &wanted, now).await.expect("a code");
    assert_eq!(intent.qr_content.as_deref(), Some("weixin://wxpay/bizpayurl?pr=SUB2000001"));
    assert_eq!(merchant.provider.query(&merchant.http, ORDER, None, now).await, Ok(PayState::Pending));

    assert_eq!(fake.wechat.pay(ORDER).await, Delivery { status: 204, body: String::new() });
    let notice = shop.seen().pop().expect("a notification").expect("a genuine one");
    let trade = fake.wechat.trade(ORDER).expect("a trade");
    assert_eq!((notice.status, notice.amount_minor, notice.currency.as_str()), (NoticeStatus::Paid, 1999, "CNY"));
    assert_eq!((notice.order_no.as_str(), notice.raw_kind.as_str()), (ORDER, "TRANSACTION.SUCCESS"));
    assert_eq!(notice.transaction_id.as_ref(), Some(&trade.transaction_id));
    let paid = PayState::Paid {
        transaction_id: trade.transaction_id,
        amount_minor: 1999,
        currency: "CNY".to_owned(),
        paid_at_ms: trade.paid_at_ms / 1000 * 1000,
    };
    assert_eq!(merchant.provider.query(&merchant.http, ORDER, None, now).await, Ok(paid));
    assert_eq!(fake.wechat.certificate_fetches(), 1, "certificates are fetched once and kept");
    assert_eq!(fake.wechat.refusals(), Vec::<String>::new());
}

#[tokio::test]
async fn a_configured_public_key_or_certificate_needs_no_fetching() {
    let fake = FakePay::start().await;
    let certificate = PlatformKeyConfig { id: None, pem: WECHAT_PLATFORM_CERTIFICATE.to_owned() };
    let certified = ProviderConfig::WechatPay(fake.wechat.settings(vec![certificate]));
    for config in [fake.wechat.config_with_public_key(), certified] {
        let merchant = Merchant::new(&config);
        let now = fake.clock.now_ms();
        let created = merchant.provider.create(&merchant.http, &order(ORDER, "CNY", PayMode::Qr, now), now).await;
        assert!(created.is_ok(), "{created:?}");
    }
    assert_eq!(fake.wechat.certificate_fetches(), 0);
}

#[tokio::test]
async fn certificates_are_fetched_by_one_at_a_time_and_not_for_strangers() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    fake.wechat.mark_paid(ORDER);
    let now = fake.clock.now_ms();
    assert_eq!(fake.wechat.certificate_fetches(), 1);
    let honest = fake.wechat.message(ORDER, &Tweak::default());
    for number in 0..20 {
        let stranger = with_header(&honest, "wechatpay-serial", &format!("{number:040X}"));
        assert_eq!(merchant.read(&stranger, now).await, Err(NoticeError::UnknownKey));
    }
    assert_eq!(fake.wechat.certificate_fetches(), 1, "made-up serial numbers cost us nothing");
    assert!(merchant.read(&honest, now).await.is_ok());

    // A second merchant process, hit by many notifications at once, asks once.
    let fresh = Merchant::new(&fake.wechat.config());
    let reads = (0..8).map(|_| fresh.read(&honest, now));
    assert!(futures_util::future::join_all(reads).await.iter().all(Result::is_ok));
    assert_eq!(fake.wechat.certificate_fetches(), 2);
}

#[tokio::test]
async fn certificates_that_could_not_be_fetched_are_soon_fetched_again() {
    let fake = FakePay::start().await;
    waiting(&fake).await;
    fake.wechat.mark_paid(ORDER);
    let now = fake.clock.now_ms();
    fake.clock.set(now);
    let honest = fake.wechat.message(ORDER, &Tweak::default());
    let fresh = Merchant::new(&fake.wechat.config());
    fake.wechat.set_mood(Mood::Broken);
    assert_eq!(fresh.read(&honest, now).await, Err(NoticeError::UnknownKey));
    fake.wechat.set_mood(Mood::Honest);
    assert_eq!(fresh.read(&honest, now + 4_000).await, Err(NoticeError::UnknownKey));
    let meanwhile =
        fresh.provider.query(&fresh.http, ORDER, None, now + 4_000).await.expect_err("nothing to verify with");
    assert!(meanwhile.is_transient());
    assert!(fresh.read(&honest, now + 5_000).await.is_ok());
}

#[tokio::test]
async fn an_expired_certificate_is_fetched_anew() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    fake.wechat.mark_paid(ORDER);
    let later = fake.clock.now_ms() + 31 * 86_400_000;
    fake.clock.set(later);
    assert!(merchant.read(&fake.wechat.message(ORDER, &Tweak::default()), later).await.is_ok());
    assert_eq!(fake.wechat.certificate_fetches(), 2);
}

#[tokio::test]
async fn what_the_platform_did_not_sign_for_us_is_refused() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    fake.wechat.mark_paid(ORDER);
    let now = fake.clock.now_ms();
    let cases = [
        (Tweak::forged(), NoticeError::BadSignature),
        (Tweak::merchant("1900000002"), NoticeError::ForeignMerchant),
        (Tweak::signed_at(now - 301_000), NoticeError::Stale),
        (Tweak::signed_at(now + 302_000), NoticeError::Stale),
    ];
    for (tweak, error) in cases {
        assert_eq!(merchant.read(&fake.wechat.message(ORDER, &tweak), now).await, Err(error), "{tweak:?}");
    }
    let honest = fake.wechat.message(ORDER, &Tweak::default());
    assert!(merchant.read(&fake.wechat.message(ORDER, &Tweak::signed_at(now - 295_000)), now).await.is_ok());
    // A replay made young again: the time is part of what is signed.
    let replayed = with_header(&honest, "wechatpay-timestamp", &(now / 1000 + 1).to_string());
    assert_eq!(merchant.read(&replayed, now).await, Err(NoticeError::BadSignature));
    assert_eq!(merchant.read(&honest, now + 600_000).await, Err(NoticeError::Stale));
    let tampered = honest.tampered("TRANSACTION.SUCCESS", "TRANSACTION.SUCCESs");
    assert_eq!(merchant.read(&tampered, now).await, Err(NoticeError::BadSignature));
    // The platform probes merchants with signatures that must fail.
    let probe = with_header(&honest, "wechatpay-signature", "WECHATPAY/SIGNTEST/abcd");
    assert_eq!(merchant.read(&probe, now).await, Err(NoticeError::BadSignature));
    let mut bare = honest.clone();
    bare.headers.clear();
    assert!(matches!(merchant.read(&bare, now).await, Err(NoticeError::Malformed(_))));
    assert_eq!(merchant.provider.notification_reply(false).0, 500);
}

#[tokio::test]
async fn a_notification_sealed_for_another_merchant_cannot_be_opened() {
    let fake = FakePay::start().await;
    waiting(&fake).await;
    fake.wechat.mark_paid(ORDER);
    let mut settings =
        fake.wechat.settings(vec![PlatformKeyConfig { id: None, pem: WECHAT_PLATFORM_CERTIFICATE.to_owned() }]);
    settings.api_v3_key = "another-merchants-v3-key-32-char".to_owned();
    let other = Merchant::new(&ProviderConfig::WechatPay(settings));
    let message = fake.wechat.message(ORDER, &Tweak::default());
    assert_eq!(other.read(&message, fake.clock.now_ms()).await, Err(NoticeError::ForeignMerchant));
}

#[tokio::test]
async fn wrong_amounts_and_currencies_are_reported_as_they_were_signed() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    fake.wechat.mark_paid(ORDER);
    let now = fake.clock.now_ms();
    let notice = merchant.read(&fake.wechat.message(ORDER, &Tweak::amount(1)), now).await.expect("genuine");
    assert_eq!((notice.amount_minor, notice.currency.as_str()), (1, "CNY"));
    let notice = merchant.read(&fake.wechat.message(ORDER, &Tweak::currency("JPY")), now).await.expect("genuine");
    assert_eq!((notice.amount_minor, notice.currency.as_str()), (1999, "JPY"));
}

#[tokio::test]
async fn refunds_are_made_once_and_asked_after_by_repeating() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    let now = fake.clock.now_ms();
    let whole = refund(ORDER, "REF0001", 1999, "CNY");
    assert!(matches!(merchant.provider.refund(&merchant.http, &whole, now).await, Err(PayError::Refused { .. })));
    fake.wechat.mark_paid(ORDER);
    for status in [RefundStatus::Processing, RefundStatus::Succeeded, RefundStatus::Succeeded] {
        let made = merchant.provider.refund(&merchant.http, &whole, now).await.expect("accepted");
        assert_eq!((made.status, made.refund_id.as_deref()), (status, Some("50REF0001")));
    }
    assert_eq!(fake.wechat.trade(ORDER).expect("a trade").refunded(), 1999);
    assert_eq!(merchant.provider.query(&merchant.http, ORDER, None, now).await, Ok(PayState::Refunded));
    let notice = merchant.read(&fake.wechat.refund_message(ORDER, "REF0001", &Tweak::default()), now).await;
    let notice = notice.expect("genuine");
    assert_eq!((notice.status, notice.amount_minor), (NoticeStatus::Refunded, 1999));
    let foreign = fake.wechat.refund_message(ORDER, "REF0001", &Tweak::merchant("1900000002"));
    assert_eq!(merchant.read(&foreign, now).await, Err(NoticeError::ForeignMerchant));
    let partial = merchant.read(&fake.wechat.refund_message(ORDER, "REF0009", &Tweak::default()), now).await;
    assert!(partial.is_err_and(|error| error.is_acknowledged()), "a part given back concerns no order's state");
}

#[tokio::test]
async fn closing_ends_an_unpaid_order_and_no_other() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    let now = fake.clock.now_ms();
    let close = |order_no: &'static str| merchant.provider.close(&merchant.http, order_no, None, now);
    assert_eq!(close("SUB7777777").await, Ok(()), "it is not known there");
    assert_eq!(close(ORDER).await, Ok(()));
    assert_eq!(merchant.provider.query(&merchant.http, ORDER, None, now).await, Ok(PayState::Closed));
    fake.wechat.mark_paid(ORDER);
    assert!(matches!(close(ORDER).await, Err(PayError::Refused { code, .. }) if code == "ORDERPAID"));
    assert_eq!(
        merchant.provider.query(&merchant.http, "SUB7777777", None, now).await,
        Ok(PayState::Pending),
        "an order nobody knows is not paid"
    );
}

#[tokio::test]
async fn answers_that_the_platform_did_not_sign_are_not_believed() {
    let fake = FakePay::start().await;
    let merchant = waiting(&fake).await;
    fake.wechat.mark_paid(ORDER);
    let now = fake.clock.now_ms();
    for mood in [Mood::ForgedAnswers, Mood::UnsignedAnswers, Mood::TamperedAnswers] {
        fake.wechat.set_mood(mood);
        let answer = merchant.provider.query(&merchant.http, ORDER, None, now).await;
        assert_eq!(answer, Err(PayError::Forged), "{mood:?}");
        // Nor is a list of certificates, for a merchant that has none yet.
        let fresh = Merchant::new(&fake.wechat.config());
        let answer = fresh.provider.query(&fresh.http, ORDER, None, now).await;
        assert_eq!(answer, Err(PayError::Forged), "{mood:?}");
    }
    fake.wechat.set_mood(Mood::Broken);
    let broken = merchant.provider.query(&merchant.http, ORDER, None, now).await.expect_err("it is broken");
    assert!(broken.is_transient());
}

#[test]
fn settings_that_cannot_work_are_refused_without_showing_them() {
    let good = harness::fake_pay::keys::WECHAT_MERCHANT;
    let base = schema::payment::WechatPayConfig {
        app_id: "wx1".to_owned(),
        mch_id: "1900000001".to_owned(),
        cert_serial: WECHAT_PLATFORM_SERIAL.to_owned(),
        private_key: good.to_owned(),
        api_v3_key: "0123456789abcdef0123456789abcdef".to_owned(),
        platform_keys: Vec::new(),
        base_url: "https://api.mch.weixin.qq.com".to_owned(),
    };
    assert!(schema::payment::Provider::new(&ProviderConfig::WechatPay(base.clone())).is_ok());
    let mut cases = vec![base.clone(), base.clone(), base.clone(), base.clone(), base.clone()];
    cases[0].api_v3_key = "short-secret".to_owned();
    cases[1].private_key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----".to_owned();
    cases[2].mch_id = "1\",evil=\"1".to_owned();
    cases[3].base_url = "http://pay.example.com".to_owned();
    cases[4].app_id = " ".to_owned();
    for case in cases {
        let error = schema::payment::Provider::new(&ProviderConfig::WechatPay(case)).err().expect("it cannot work");
        assert!(matches!(error, PayError::Misconfigured(_)));
        let text = format!("{error} {error:?}");
        assert!(!text.contains("secret") && !text.contains("c2VjcmV0") && !text.contains("evil"), "{text}");
    }
    assert_eq!(format!("{:?}", ProviderConfig::WechatPay(base)), "WechatPay(…)");
}
