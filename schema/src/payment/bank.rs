//! Bank transfer: shows how to pay. Nothing here ever makes an order paid; an administrator does.

use super::{BankTransferConfig, PayIntent, PayOrder, format_minor};

/// Bank transfer by hand.
pub struct BankTransfer {
    instructions: String,
}

impl BankTransfer {
    pub(super) fn new(config: &BankTransferConfig) -> Self {
        Self { instructions: config.instructions.clone() }
    }

    /// The instructions for this order. One pass over the template, so that a subject cannot bring placeholders in.
    pub(super) fn create(&self, order: &PayOrder) -> PayIntent {
        let mut text = String::with_capacity(self.instructions.len() + 64);
        let mut rest = self.instructions.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let value = after.split_once('}').and_then(|(name, tail)| match name {
                "order" => Some((order.order_no.clone(), tail)),
                "amount" => Some((format_minor(order.amount_minor, &order.currency), tail)),
                "currency" => Some((order.currency.clone(), tail)),
                "subject" => Some((order.subject.clone(), tail)),
                _ => None,
            });
            rest = match value {
                Some((value, tail)) => {
                    text.push_str(&value);
                    tail
                }
                None => {
                    text.push('{');
                    after
                }
            };
        }
        text.push_str(rest);
        PayIntent { instructions: Some(text), ..PayIntent::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::PayMode;

    #[test]
    fn instructions_name_the_order_and_fill_in_once() {
        let bank = BankTransfer::new(&BankTransferConfig {
            instructions: "{currency} {amount}, ref {order} ({subject}) {x}".to_owned(),
        });
        let order = PayOrder {
            order_no: "SUB1000001".to_owned(),
            subject: "{order}".to_owned(),
            amount_minor: 1999,
            currency: "CNY".to_owned(),
            notify_url: String::new(),
            return_url: String::new(),
            expires_at_ms: 0,
            client_ip: None,
            mode: PayMode::Page,
            channel: None,
        };
        assert_eq!(bank.create(&order).instructions.as_deref(), Some("CNY 19.99, ref SUB1000001 ({order}) {x}"));
    }
}
