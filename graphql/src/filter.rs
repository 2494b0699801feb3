//! Comparators that filters are made of. Everything that is given must hold; only what is indexed can be compared.

use std::borrow::Cow;

use async_graphql::{InputObject, InputType, TypeName};
use schema::{Error, Micros, Time};

use crate::fault::Result;
use crate::scalar::{DateTime, Decimal};

/// The most values of one `in`.
const MOST: usize = 50;

/// A span of time.
#[derive(InputObject, Clone, Copy, Debug, Default)]
pub struct DateTimeFilter {
    /// After this moment.
    pub gt: Option<DateTime>,
    /// At or after this moment.
    pub gte: Option<DateTime>,
    /// Before this moment.
    pub lt: Option<DateTime>,
    /// At or before this moment.
    pub lte: Option<DateTime>,
}

impl DateTimeFilter {
    /// From (with) and until (without).
    pub fn span(self) -> (Option<Time>, Option<Time>) {
        let from = self.gte.map(|t| t.0).max(self.gt.map(|t| t.0.plus(1)));
        let until = [self.lt.map(|t| t.0), self.lte.map(|t| t.0.plus(1))].into_iter().flatten().min();
        (from, until)
    }
}

/// The span of an optional filter.
pub fn span(filter: Option<DateTimeFilter>) -> (Option<Time>, Option<Time>) {
    filter.unwrap_or_default().span()
}

/// A span of amounts.
#[derive(InputObject, Clone, Copy, Debug, Default)]
pub struct DecimalFilter {
    /// At least this much.
    pub gte: Option<Decimal>,
    /// At most this much.
    pub lte: Option<Decimal>,
}

impl DecimalFilter {
    /// The least and the most.
    pub fn bounds(self) -> (Option<Micros>, Option<Micros>) {
        (self.gte.map(|d| d.0), self.lte.map(|d| d.0))
    }
}

/// One or several of a closed set.
#[derive(InputObject, Clone, Debug)]
#[graphql(name_type)]
pub struct Choice<T: InputType> {
    /// Exactly this.
    pub eq: Option<T>,
    /// Any of these, at most 50.
    #[graphql(name = "in")]
    pub any: Option<Vec<T>>,
}

impl<T: InputType> TypeName for Choice<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Filter", T::type_name()).into()
    }
}

impl<T: InputType + Clone + PartialEq> Choice<T> {
    /// The values that pass, as the service names them. Empty means nothing was asked.
    pub fn values<U: From<T>>(self, field: &str) -> Result<Vec<U>> {
        let any = self.any.unwrap_or_default();
        if any.len() > MOST {
            return Err(Error::invalid(field, format!("at most {MOST} values can be asked for at once")).into());
        }
        Ok(match self.eq {
            None => any,
            // Both must hold.
            Some(eq) if any.is_empty() || any.contains(&eq) => vec![eq],
            Some(_) => return Err(Error::invalid(field, "eq and in exclude each other").into()),
        }
        .into_iter()
        .map(Into::into)
        .collect())
    }
}

/// The values of an optional filter.
pub fn values<T, U>(filter: Option<Choice<T>>, field: &str) -> Result<Vec<U>>
where
    T: InputType + Clone + PartialEq,
    U: From<T>,
{
    filter.map_or_else(|| Ok(Vec::new()), |f| f.values(field))
}

/// Text somebody searches for: not too long, nothing no column can hold.
pub fn search(text: Option<String>, field: &str) -> Result<Option<String>> {
    match text {
        Some(text) if text.chars().count() > 200 => Err(Error::invalid(field, "at most 200 characters").into()),
        Some(text) if text.contains('\0') => Err(Error::invalid(field, "may not hold a NUL character").into()),
        text => Ok(text.filter(|t| !t.trim().is_empty())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_comparator_of_a_span_holds() {
        let at = |ms| Some(DateTime(Time(ms)));
        let both = DateTimeFilter { gt: at(5), gte: at(3), lt: at(20), lte: at(9) };
        assert_eq!(both.span(), (Some(Time(6)), Some(Time(10))));
        assert_eq!(DateTimeFilter::default().span(), (None, None));
    }

    #[test]
    fn searches_hold_no_nul_and_have_an_end() {
        assert!(search(Some("a\0b".into()), "search").is_err());
        assert!(search(Some("x".repeat(201)), "search").is_err());
        assert!(matches!(search(Some("  ".into()), "search"), Ok(None)));
    }
}
