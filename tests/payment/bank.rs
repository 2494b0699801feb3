//! Bank transfer: shows how to pay, and believes nobody.

use harness::fake_pay::Message;
use schema::payment::{BankTransferConfig, NoticeError, PayMode, PayState, ProviderConfig, RefundStatus};

use crate::{Merchant, order, refund};

const ORDER: &str = "SUB4000001";
const NOW: i64 = 1_767_225_600_000;

#[tokio::test]
async fn nothing_that_arrives_makes_a_transfer_paid() {
    let instructions = "Send {amount} {currency} with reference {order}".to_owned();
    let merchant = Merchant::new(&ProviderConfig::BankTransfer(BankTransferConfig { instructions }));
    let intent = merchant.provider.create(&merchant.http, &order(ORDER, "EUR", PayMode::Page, NOW), NOW).await;
    let text = intent.expect("instructions").instructions;
    assert_eq!(text.as_deref(), Some("Send 19.99 EUR with reference SUB4000001"));

    let message = Message { url: String::new(), headers: Vec::new(), body: b"paid=true".to_vec() };
    assert_eq!(merchant.read(&message, NOW).await, Err(NoticeError::NotOffered));
    assert_eq!(merchant.provider.notification_reply(true).0, 404);
    assert_eq!(merchant.provider.query(&merchant.http, ORDER, None, NOW).await, Ok(PayState::Pending));
    assert_eq!(merchant.provider.close(&merchant.http, ORDER, None, NOW).await, Ok(()));
    let made = merchant.provider.refund(&merchant.http, &refund(ORDER, "REF0001", 5, "EUR"), NOW).await;
    assert_eq!(made.map(|state| state.status), Ok(RefundStatus::Manual));
}
