//! Money as integers: micro-dollars in wallets, and its renderings in other units.

use diesel::deserialize::{FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{Output, ToSql};
use diesel::sql_types::BigInt;

/// An amount in millionths of a US dollar.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    AsExpression,
    FromSqlRow,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
#[diesel(sql_type = BigInt)]
pub struct Micros(pub i64);

/// One dollar.
pub const DOLLAR: i64 = 1_000_000;
/// How many quota units newapi counts for a dollar.
pub const QUOTA_PER_DOLLAR: i64 = 500_000;
/// No amount may be larger, so that sums of many stay inside 64 bits (one trillion dollars).
pub const MAX: i64 = 1_000_000_000_000 * DOLLAR;

impl Micros {
    pub const ZERO: Self = Self(0);

    /// As dollars, for display only.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / DOLLAR as f64
    }
    /// From a dollar figure a person typed; refuses what is not finite or beyond all sense.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        let micros = (dollars * DOLLAR as f64).round();
        (micros.is_finite() && micros.abs() <= MAX as f64).then_some(Self(micros as i64))
    }
    /// newapi's quota units.
    pub fn quota(self) -> i64 {
        self.0 / (DOLLAR / QUOTA_PER_DOLLAR)
    }
    /// From newapi's quota units.
    pub fn from_quota(quota: i64) -> Option<Self> {
        quota.checked_mul(DOLLAR / QUOTA_PER_DOLLAR).filter(|m| m.abs() <= MAX).map(Self)
    }
    /// Commercial credits, `per_usd` to the dollar.
    pub fn credits(self, per_usd: i64) -> i64 {
        (i128::from(self.0) * i128::from(per_usd) / i128::from(DOLLAR)) as i64
    }
    /// From commercial credits, `per_usd` to the dollar.
    pub fn from_credits(credits: i64, per_usd: i64) -> Option<Self> {
        let micros = i128::from(credits) * i128::from(DOLLAR) / i128::from(per_usd.max(1));
        i64::try_from(micros).ok().filter(|m| m.abs() <= MAX).map(Self)
    }
    /// Six decimals, `0.000186`.
    pub fn decimal(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let abs = self.0.unsigned_abs();
        format!("{sign}{}.{:06}", abs / DOLLAR as u64, abs % DOLLAR as u64)
    }
    /// Reads `12.5`, at most six decimals, exactly.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || whole.len() > 13 || fraction.len() > 6 || !plain(whole) || !plain(fraction) {
            return None;
        }
        let fraction: i64 = format!("{fraction:0<6}").parse().ok()?;
        let micros = whole.parse::<i64>().ok()?.checked_mul(DOLLAR)?.checked_add(fraction)?;
        (micros <= MAX).then_some(Self(if negative { -micros } else { micros }))
    }
    /// The sum, held inside 64 bits.
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
    /// The difference, held inside 64 bits.
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl<DB: diesel::backend::Backend> FromSql<BigInt, DB> for Micros
where
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        i64::from_sql(bytes).map(Self)
    }
}

impl<DB: diesel::backend::Backend> ToSql<BigInt, DB> for Micros
where
    i64: ToSql<BigInt, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> diesel::serialize::Result {
        self.0.to_sql(out)
    }
}

/// How many decimals a currency's minor unit has.
pub fn minor_digits(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "MGA" | "PYG" | "RWF" | "UGX" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// A price in major units (399, 19.9) as minor units (39900, 1990).
pub fn to_minor(major: f64, currency: &str) -> Option<i64> {
    let minor = (major * 10f64.powi(minor_digits(currency) as i32)).round();
    (minor.is_finite() && minor.abs() <= 1e15).then_some(minor as i64)
}

/// Minor units as a figure in major units.
pub fn from_minor(minor: i64, currency: &str) -> f64 {
    minor as f64 / 10f64.powi(minor_digits(currency) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_each_unit_exactly() {
        let m = Micros(186);
        assert_eq!(m.decimal(), "0.000186");
        assert_eq!(Micros(-1_500_000).decimal(), "-1.500000");
        assert_eq!(Micros::parse("12.5"), Some(Micros(12_500_000)));
        assert_eq!(Micros::parse("-0.000001"), Some(Micros(-1)));
        for bad in ["", ".5", "1.0000001", "1e5", "12a", "99999999999999"] {
            assert_eq!(Micros::parse(bad), None, "{bad}");
        }
        assert_eq!(Micros::from_quota(500_000), Some(Micros(DOLLAR)));
        assert_eq!(Micros(DOLLAR).quota(), 500_000);
        assert_eq!(Micros::from_credits(1000, 1000), Some(Micros(DOLLAR)));
        assert_eq!(Micros::from_quota(i64::MAX), None);
    }

    #[test]
    fn knows_currencies_without_cents() {
        assert_eq!(to_minor(399.0, "CNY"), Some(39_900));
        assert_eq!(to_minor(500.0, "JPY"), Some(500));
        assert_eq!(to_minor(f64::NAN, "CNY"), None);
        assert_eq!(from_minor(1990, "USD"), 19.9);
    }
}
