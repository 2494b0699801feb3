//! Comparators that filters are made of, and filters made of filters. Everything that is given must hold; only what
//! is indexed can be compared.

use std::borrow::Cow;

use async_graphql::{InputObject, InputType, TypeName};
use schema::model::joined::Composed;
use schema::{Error, Micros, Time};

use crate::fault::{Fault, Result};
use crate::scalar::{DateTime, Decimal};

/// The most values of one `in`.
const MOST: usize = 50;
/// How deep filters may lie in each other, and how many of them at most join no others.
const DEEPEST: usize = 4;
const LEAVES: usize = 32;

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

/// The filters that another one joins.
pub struct Parts<T> {
    pub and: Option<Vec<T>>,
    pub or: Option<Vec<T>>,
    pub not: Option<Box<T>>,
}

/// A list's filter as it is asked with.
pub trait Joins: Sized {
    /// Takes what it joins out of it.
    fn parts(&mut self) -> Parts<Self>;
}

/// Makes a list's filter one that joins others by its fields `and`, `or` and `not`.
#[macro_export]
macro_rules! joins {
    ($filter:ty) => {
        impl $crate::filter::Joins for $filter {
            fn parts(&mut self) -> $crate::filter::Parts<Self> {
                $crate::filter::Parts { and: self.and.take(), or: self.or.take(), not: self.not.take() }
            }
        }
    };
}

/// Which of the filters that make up one is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The one the list was given.
    Whole,
    /// One that is joined to it.
    Part,
}

/// A filter with all it joins, as the service means it. `own` says what one filter means by itself, and names its
/// fields as those of `filter`.
pub fn joined<T: Joins, F: Composed>(filter: T, mut own: impl FnMut(T, Place) -> Result<F>) -> Result<F> {
    let mut room = LEAVES;
    join(filter, "filter", 0, &mut room, &mut own)
}

fn join<T: Joins, F: Composed>(
    mut filter: T,
    path: &str,
    depth: usize,
    room: &mut usize,
    own: &mut dyn FnMut(T, Place) -> Result<F>,
) -> Result<F> {
    let Parts { and, or, not } = filter.parts();
    if depth > DEEPEST {
        return Err(Error::invalid(path, format!("filters may lie at most {DEEPEST} deep in each other")).into());
    }
    if or.as_ref().is_some_and(Vec::is_empty) {
        return Err(Error::invalid(format!("{path}.or"), "none of no filters can hold: leave it out").into());
    }
    let (and, or) = (and.unwrap_or_default(), or.unwrap_or_default());
    if and.is_empty() && or.is_empty() && not.is_none() {
        *room = room
            .checked_sub(1)
            .ok_or_else(|| Error::invalid(path, format!("at most {LEAVES} filters can be joined into one")))?;
    }
    let place = if depth == 0 { Place::Whole } else { Place::Part };
    let mut whole = own(filter, place).map_err(|fault| placed(fault, path))?;
    for (n, part) in and.into_iter().enumerate() {
        let part = join(part, &format!("{path}.and.{n}"), depth + 1, room, own)?;
        whole.joined_mut().and.push(part);
    }
    for (n, part) in or.into_iter().enumerate() {
        let part = join(part, &format!("{path}.or.{n}"), depth + 1, room, own)?;
        whole.joined_mut().or.push(part);
    }
    if let Some(part) = not {
        let part = join(*part, &format!("{path}.not"), depth + 1, room, own)?;
        whole.joined_mut().not = Some(Box::new(part));
    }
    Ok(whole)
}

/// A refusal of a filter's field, told at the filter's place.
fn placed(Fault(error): Fault, path: &str) -> Fault {
    Fault(match error {
        Error::Invalid { field, why } => {
            let field = field.strip_prefix("filter").map(|rest| format!("{path}{rest}")).unwrap_or(field);
            Error::Invalid { field, why }
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::model::export::ExportFilter;

    #[derive(Default)]
    struct Asked {
        user: i64,
        and: Option<Vec<Asked>>,
        or: Option<Vec<Asked>>,
        not: Option<Box<Asked>>,
    }

    joins!(Asked);

    fn meant(asked: Asked) -> Result<ExportFilter> {
        joined(asked, |asked, _| match asked.user {
            13 => Err(Error::invalid("filter.user", "an unlucky number").into()),
            user => Ok(ExportFilter { user_id: Some(user), ..ExportFilter::default() }),
        })
    }

    fn refused(asked: Asked) -> Option<String> {
        match meant(asked) {
            Err(Fault(Error::Invalid { field, .. })) => Some(field),
            _ => None,
        }
    }

    fn user(user: i64) -> Asked {
        Asked { user, ..Asked::default() }
    }

    /// So many filters, each denying the next.
    fn deep(levels: usize) -> Asked {
        (0..levels).fold(user(1), |inner, _| Asked { not: Some(Box::new(inner)), ..user(2) })
    }

    #[test]
    fn filters_are_joined_as_deep_and_as_many_as_is_admitted() {
        let whole = meant(Asked { and: Some(vec![user(2)]), or: Some(vec![user(3), user(4)]), ..deep(1) });
        let whole = whole.map_err(|f| f.0).unwrap();
        let ids = |parts: &[ExportFilter]| parts.iter().filter_map(|part| part.user_id).collect::<Vec<_>>();
        assert_eq!((whole.user_id, ids(&whole.joined.and), ids(&whole.joined.or)), (Some(2), vec![2], vec![3, 4]));
        assert_eq!(whole.joined.not.and_then(|not| not.user_id), Some(1));
        assert!(meant(deep(4)).is_ok());
        assert_eq!(refused(deep(5)).as_deref(), Some("filter.not.not.not.not.not"));
        let many = |count: i64| Asked { or: Some((0..count).map(|_| user(1)).collect()), ..user(0) };
        assert!(meant(many(32)).is_ok());
        assert_eq!(refused(many(33)).as_deref(), Some("filter.or.32"));
        let two = Asked { and: Some(vec![many(16), many(17)]), ..user(0) };
        assert_eq!(refused(two).as_deref(), Some("filter.and.1.or.16"), "they are counted in all");
    }

    #[test]
    fn what_cannot_be_meant_is_named_by_its_place() {
        assert_eq!(refused(Asked { or: Some(Vec::new()), ..user(1) }).as_deref(), Some("filter.or"));
        assert!(meant(Asked { and: Some(Vec::new()), ..user(1) }).is_ok());
        let inner = Asked { not: Some(Box::new(user(13))), ..user(1) };
        let outer = Asked { or: Some(vec![user(1), inner]), ..user(1) };
        assert_eq!(refused(outer).as_deref(), Some("filter.or.1.not.user"));
        assert_eq!(refused(user(13)).as_deref(), Some("filter.user"));
    }

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
