//! The payment page and its code, and notifications as they really arrive: over HTTP.

use harness::fake_pay::Tweak;
use harness::{Answer, Client};
use qrcode::QrCode;
use qrcode::render::svg;
use schema::model::order::{Method, Order, OrderStatus};
use schema::service::order;
use schema::service::setting::names;

use crate::shop::{METHODS, MINUTE, Shop};

async fn page(s: &Shop, order: &Order) -> Answer {
    s.t.anonymous().get(&format!("/pay/{}", order.no)).await
}

/// Hands a message in at the door providers use.
async fn post(s: &Shop, order: &Order, tweak: &Tweak) -> Answer {
    let message = s.message(order, tweak);
    let http = Client::new(&s.t.url, None);
    let path = format!("/pay/notify/{}", order.method);
    let mut request = http.request(reqwest::Method::POST, &path).body(message.body.clone());
    for (name, value) in &message.headers {
        request = request.header(name, value);
    }
    http.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_the_order_and_needs_no_scripts() {
    let s = Shop::open().await;
    for method in METHODS {
        let order = s.plan("pro", method).await;
        let shown = page(&s, &order).await;
        assert_eq!(shown.status, 200, "{method}");
        for part in [order.no.as_str(), "399.00 CNY", "waiting for payment", "15 min 00 s", "http-equiv=\"refresh\""] {
            assert!(shown.text.contains(part), "{method} lacks {part}: {}", shown.text);
        }
        assert!(
            !shown.text.contains("<script") && shown.header("content-security-policy").contains("default-src 'none'")
        );
        assert_eq!((shown.header("cache-control"), shown.header("referrer-policy")), ("no-store", "no-referrer"));
        s.advance(90_000);
        assert!(page(&s, &order).await.text.contains("13 min 30 s"), "{method}: time goes on");

        let picture = s.t.anonymous().get(&format!("/pay/{}/qr.svg", order.no)).await;
        assert_eq!((picture.status.as_u16(), picture.header("content-type")), (200, "image/svg+xml"), "{method}");
        let content = order.qr_content.clone().or(order.pay_url.clone()).expect("something to pay with");
        let code = QrCode::new(content.as_bytes()).expect("a code");
        let wanted = code.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
        assert_eq!(picture.text, wanted, "{method}: the picture says what the payer's application must read");
        order::cancel(&s, &s.bob, &order.no, None).await.expect("cancelled");
        assert!(page(&s, &order).await.text.contains("cancelled"), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_over_http_pays_once_and_forgeries_do_not() {
    let s = Shop::open().await;
    for method in METHODS {
        let order = s.topup(method).await;
        s.paid(&order);
        let forged = post(&s, &order, &Tweak::forged()).await;
        assert!(forged.text != "success" && (method == Method::Alipay || !forged.status.is_success()), "{method}");
        assert!(page(&s, &order).await.text.contains("waiting for payment"), "{method}");
        for _ in 0..3 {
            let told = post(&s, &order, &Tweak::default()).await;
            assert_eq!(told.status.as_u16() / 100, 2, "{method}: {}", told.text);
            assert!(method != Method::Alipay || told.text == "success", "{}", told.text);
        }
        let shown = page(&s, &order).await;
        assert!(shown.text.contains("paid and active") && !shown.text.contains("<img"), "{}", shown.text);
        assert!(!shown.text.contains("http-equiv=\"refresh\""), "there is nothing left to wait for");
    }
    assert_eq!(s.balance().await, 30_000_000);
    s.adds_up().await;
    let http = s.t.anonymous();
    for provider in ["wallet", "bank_transfer", "free", "nobody"] {
        let path = format!("/pay/notify/{provider}");
        assert_eq!(http.send(http.request(reqwest::Method::POST, &path)).await.status, 404, "{provider}");
    }
    for path in ["/pay/NOBODY", "/pay/NOBODY/qr.svg"] {
        assert_eq!(http.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_says_so_and_offers_nothing() {
    let s = Shop::open().await;
    let order = s.topup(Method::WechatPay).await;
    s.advance(15 * MINUTE);
    order::expire_due(&s).await.expect("a round");
    assert_eq!(s.read(&order).await.status, OrderStatus::Expired);
    let shown = page(&s, &order).await;
    assert!(shown.text.contains("expired") && !shown.text.contains("Time left") && !shown.text.contains("<img"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_transfer_shows_what_to_write_and_nothing_is_believed_of_it() {
    let s = Shop::open().await;
    let text = "Account <42>\nReference {order}";
    s.set(&[(names::BANK_TRANSFER_ENABLED, "true"), (names::BANK_TRANSFER_INSTRUCTIONS, text)]).await;
    let order = s.topup(Method::BankTransfer).await;
    let shown = page(&s, &order).await;
    assert!(shown.text.contains("Account &lt;42&gt;<br>Reference"), "{}", shown.text);
    assert!(shown.text.contains(&order.no) && !shown.text.contains("<42>"));
}
