//! Amounts in a currency's smallest unit, and the decimal texts providers and payers read. Integers only.

pub use crate::money::minor_digits;

/// An amount as decimal text: `1999` CNY is `19.99`, `500` JPY is `500`.
pub fn format_minor(amount_minor: i64, currency: &str) -> String {
    let digits = minor_digits(currency);
    if digits == 0 {
        return amount_minor.to_string();
    }
    let unit = 10_u64.pow(digits);
    let size = amount_minor.unsigned_abs();
    let sign = if amount_minor < 0 { "-" } else { "" };
    format!("{sign}{}.{:0width$}", size / unit, size % unit, width = digits as usize)
}

/// Reads decimal text without rounding; `None` for anything that is not a non-negative amount of that currency.
pub fn parse_minor(text: &str, currency: &str) -> Option<i64> {
    let digits = minor_digits(currency) as usize;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let numeric = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !numeric(whole) || !numeric(fraction) || (text.contains('.') && fraction.is_empty()) {
        return None;
    }
    // More decimals than the currency has are fine as long as they say nothing.
    let (kept, spare) = fraction.split_at(fraction.len().min(digits));
    if spare.bytes().any(|b| b != b'0') {
        return None;
    }
    let minor: i64 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    let missing = u32::try_from(digits - kept.len()).ok()?;
    let unit = 10_i64.pow(minor_digits(currency));
    whole.parse::<i64>().ok()?.checked_mul(unit)?.checked_add(minor.checked_mul(10_i64.checked_pow(missing)?)?)
}

/// Whether this has the form of an ISO 4217 code.
pub(super) fn is_code(currency: &str) -> bool {
    currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_follow_the_currency() {
        assert_eq!(format_minor(1999, "CNY"), "19.99");
        assert_eq!(format_minor(5, "USD"), "0.05");
        assert_eq!(format_minor(-205, "EUR"), "-2.05");
        assert_eq!(format_minor(500, "JPY"), "500");
        assert_eq!(format_minor(1234, "KWD"), "1.234");
        assert_eq!(format_minor(i64::MIN, "CNY"), "-92233720368547758.08");
    }

    #[test]
    fn texts_are_read_exactly_or_not_at_all() {
        for (text, currency, minor) in [
            ("19.99", "CNY", 1999),
            ("0.1", "CNY", 10),
            ("7", "CNY", 700),
            ("88.880", "CNY", 8888),
            ("500", "KRW", 500),
        ] {
            assert_eq!(parse_minor(text, currency), Some(minor), "{text} {currency}");
        }
        for text in ["", ".5", "5.", "-1", "+1", "1e3", "19.999", "1,000.00", " 1", "99999999999999999999", "NaN"] {
            assert_eq!(parse_minor(text, "CNY"), None, "{text}");
        }
        assert_eq!(parse_minor("500.5", "JPY"), None);
        assert_eq!(parse_minor("500.00", "JPY"), Some(500));
    }
}
