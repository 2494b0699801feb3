//! Epay: the signed page, what is believed of its notifications, and the question about an order.

use harness::fake_pay::epay::{KEY, sign};
use harness::fake_pay::{FakeEpay, FakeTime, Mood};
use schema::payment::{EpayConfig, NoticeError, NoticeStatus, PayError, PayMode, PayOrder, PayState, Provider};
use schema::payment::{ProviderConfig, RefundStatus};

use crate::{Merchant, order, refund};

const ORDER: &str = "PAY1000001";

async fn gateway() -> (FakeEpay, Merchant, i64) {
    let clock = FakeTime::default();
    let now = clock.now_ms();
    let fake = FakeEpay::start(clock).await;
    let merchant = Merchant::new(&fake.config());
    (fake, merchant, now)
}

fn by(channel: Option<&str>, now: i64) -> PayOrder {
    PayOrder { channel: channel.map(str::to_owned), ..order(ORDER, "CNY", PayMode::Page, now) }
}

/// An order whose payer has come to the page.
async fn opened(merchant: &Merchant, now: i64) -> String {
    let intent = merchant.provider.create(&merchant.http, &by(Some("wxpay"), now), now).await.expect("a page");
    let url = intent.pay_url.expect("an address");
    let page = merchant.http.get(&url).send().await.expect("the page answers");
    assert_eq!(page.text().await.expect("a text"), "the cashier");
    url
}

async fn read(merchant: &Merchant, said: &str) -> Result<schema::payment::Notice, NoticeError> {
    merchant.provider.read_notification(&merchant.http, &Default::default(), said.as_bytes(), 0).await
}

#[tokio::test]
async fn the_page_is_signed_and_takes_the_payer_there() {
    let (fake, merchant, now) = gateway().await;
    let asked = || merchant.provider.query(&merchant.http, ORDER, None, now);
    assert_eq!(asked().await, Ok(PayState::Pending), "nobody has opened it");
    let url = opened(&merchant, now).await;
    let trade = fake.trade(ORDER).expect("the payer opened it");
    assert_eq!((trade.amount, trade.currency.as_str()), (1999, "wxpay"));
    assert_eq!(trade.notify_url, "http://127.0.0.1:9/notify");
    assert_eq!(asked().await, Ok(PayState::Pending));

    let cheaper = url.replace("money=19.99", "money=0.01");
    assert_ne!(cheaper, url);
    let refused = merchant.http.get(&cheaper).send().await.expect("the page answers");
    assert_ne!(refused.text().await.expect("a text"), "the cashier");
    // Without a way to pay, the gateway asks for it.
    let open = merchant.provider.create(&merchant.http, &by(None, now), now).await.expect("a page");
    assert!(open.pay_url.is_some_and(|url| !url.contains("&type=") && !url.contains("?type=")));
}

#[tokio::test]
async fn a_payment_is_heard_and_asked_about() {
    let (fake, merchant, now) = gateway().await;
    opened(&merchant, now).await;
    fake.mark_paid(ORDER);
    let notice = read(&merchant, &fake.notice(ORDER, KEY, |_| {})).await.expect("a genuine one");
    let trade = fake.trade(ORDER).expect("a trade");
    assert_eq!((notice.status, notice.amount_minor, notice.currency.as_str()), (NoticeStatus::Paid, 1999, "CNY"));
    assert_eq!((notice.order_no.as_str(), notice.raw_kind.as_str()), (ORDER, "TRADE_SUCCESS"));
    assert_eq!(notice.transaction_id.as_ref(), Some(&trade.transaction_id));
    assert_eq!(read(&merchant, &fake.notice(ORDER, KEY, |_| {})).await, Ok(notice), "a replay is the same");
    let asked = merchant.provider.query(&merchant.http, ORDER, None, now).await;
    let paid = PayState::Paid {
        transaction_id: trade.transaction_id,
        amount_minor: 1999,
        currency: "CNY".to_owned(),
        paid_at_ms: now,
    };
    assert_eq!(asked, Ok(paid));
    let waiting = fake.notice(ORDER, KEY, |f| drop(f.insert("trade_status".into(), "WAIT_BUYER_PAY".into())));
    assert_eq!(read(&merchant, &waiting).await.map(|n| n.status), Ok(NoticeStatus::Pending));
    assert_eq!(merchant.provider.notification_reply(true), (200, "text/plain", "success"));
    assert_eq!(merchant.provider.notification_reply(false), (200, "text/plain", "fail"));
    assert_eq!(fake.refusals(), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_gateway_did_not_sign_for_us_is_refused() {
    let (fake, merchant, now) = gateway().await;
    opened(&merchant, now).await;
    let honest = fake.notice(ORDER, KEY, |_| {});
    for (from, to) in [("19.99", "0.01"), (ORDER, "PAY1000002"), ("TRADE_SUCCESS", "TRADE_CLOSED")] {
        assert!(honest.contains(from));
        assert_eq!(read(&merchant, &honest.replace(from, to)).await, Err(NoticeError::BadSignature), "{from}");
    }
    assert_eq!(read(&merchant, &fake.notice(ORDER, "guess", |_| {})).await, Err(NoticeError::BadSignature));
    assert_eq!(read(&merchant, &fake.notice(ORDER, "", |_| {})).await, Err(NoticeError::BadSignature));
    let foreign = fake.notice(ORDER, KEY, |f| drop(f.insert("pid".into(), "1002".into())));
    assert_eq!(read(&merchant, &foreign).await, Err(NoticeError::ForeignMerchant));
    let no_order = fake.notice(ORDER, KEY, |f| drop(f.remove("out_trade_no")));
    let strange = fake.notice(ORDER, KEY, |f| drop(f.insert("money".into(), "19.999".into())));
    let other = fake.notice(ORDER, KEY, |f| drop(f.insert("sign_type".into(), "RSA".into())));
    let doubled = format!("{honest}&money=0.01");
    for bad in [no_order.as_str(), &strange, &other, &doubled, "", "sign=x&sign_type=MD5&sign=y"] {
        assert!(matches!(read(&merchant, bad).await, Err(NoticeError::Malformed(_))), "{bad}");
    }
}

#[tokio::test]
async fn answers_that_do_not_fit_are_not_believed() {
    let (fake, merchant, now) = gateway().await;
    opened(&merchant, now).await;
    let asked = || merchant.provider.query(&merchant.http, ORDER, None, now);
    for mood in [Mood::Broken, Mood::Endless] {
        fake.set_mood(mood);
        assert!(asked().await.is_err(), "{mood:?}");
    }
    fake.set_mood(Mood::Honest);
    let ProviderConfig::Epay(config) = fake.config() else { panic!("Epay's settings") };
    let stranger = Merchant::new(&ProviderConfig::Epay(EpayConfig { key: "guess".to_owned(), ..config.clone() }));
    let refused = stranger.provider.query(&stranger.http, ORDER, None, now).await.expect_err("a wrong key");
    assert!(matches!(refused, PayError::Refused { .. }) && !refused.to_string().contains("guess"), "{refused}");

    for bad in [
        EpayConfig { address: "http://pay.example".to_owned(), ..config.clone() },
        EpayConfig { merchant: " ".to_owned(), ..config.clone() },
        EpayConfig { key: String::new(), ..config },
    ] {
        assert!(matches!(Provider::new(&ProviderConfig::Epay(bad)), Err(PayError::Misconfigured(_))));
    }
    let dollars = order(ORDER, "USD", PayMode::Page, now);
    assert!(merchant.provider.create(&merchant.http, &dollars, now).await.is_err());
    let back = merchant.provider.refund(&merchant.http, &refund(ORDER, "REF1000001", 1999, "CNY"), now).await;
    assert_eq!(back.map(|r| r.status), Ok(RefundStatus::Manual), "it cannot promise to pay back once");
    assert_eq!(merchant.provider.close(&merchant.http, ORDER, None, now).await, Ok(()));
}

#[test]
fn the_fake_signs_by_the_published_rule() {
    let fields = [("b", "2"), ("a", "1"), ("c", ""), ("sign", "x"), ("sign_type", "MD5")];
    let fields = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    // printf 'a=1&b=2k' | md5sum
    assert_eq!(sign(&fields, "k"), "af97cb1e07cd9f9f1279e0bae215015d");
}
