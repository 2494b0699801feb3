//! Amounts in the units Stripe counts in, which are not everywhere the currency's own.

use crate::payment::{PayError, minor_digits};

/// Stripe's unit for these two is a hundredth, although the currencies have none.
fn has_phantom_cents(currency: &str) -> bool {
    matches!(currency, "ISK" | "UGX")
}

/// Our smallest unit as Stripe's.
pub(super) fn wire_amount(amount_minor: i64, currency: &str) -> Result<i64, PayError> {
    let factor = if has_phantom_cents(currency) { 100 } else { 1 };
    let amount = amount_minor.checked_mul(factor).ok_or(PayError::Invalid("the amount is too large"))?;
    if minor_digits(currency) == 3 && amount % 10 != 0 {
        return Err(PayError::Invalid("Stripe takes only two decimals of this currency"));
    }
    Ok(amount)
}

/// Stripe's unit as ours.
pub(super) fn own_amount(amount: i64, currency: &str) -> i64 {
    if has_phantom_cents(currency) { amount / 100 } else { amount }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_follow_stripes_units() {
        assert_eq!(wire_amount(1999, "USD"), Ok(1999));
        assert_eq!(wire_amount(500, "JPY"), Ok(500));
        assert_eq!(wire_amount(500, "UGX"), Ok(50_000));
        assert_eq!(own_amount(50_000, "UGX"), 500);
        assert_eq!(wire_amount(1230, "KWD"), Ok(1230));
        assert!(wire_amount(1234, "KWD").is_err());
        assert!(wire_amount(i64::MAX, "ISK").is_err());
    }
}
