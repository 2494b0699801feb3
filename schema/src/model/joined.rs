//! Filters made of filters: of which all hold, any holds, or one does not. A table brings its `filtered!`, which lays
//! one filter's own conditions over a query; with [`composed!`](crate::composed) the same macro makes a
//! [`Condition`] of it, and [`also`] makes the conditions of all that are joined to it.

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::expression::{AppearsOnTable, Expression, NonAggregate, ValidGrouping, is_aggregate};
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::result::QueryResult;
use diesel::sql_types::{Bool, BoolOrNullableBool, Nullable};
use serde::{Deserialize, Serialize};

/// What else must hold of a row, beside a filter's own conditions: filters of the same list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, bound(serialize = "F: Serialize", deserialize = "F: Deserialize<'de>"))]
pub struct Joined<F> {
    /// Every one of these holds.
    pub and: Vec<F>,
    /// At least one of these holds, when there are any.
    pub or: Vec<F>,
    /// This does not hold.
    pub not: Option<Box<F>>,
}

impl<F> Default for Joined<F> {
    fn default() -> Self {
        Self { and: Vec::new(), or: Vec::new(), not: None }
    }
}

impl<F> Joined<F> {
    /// True when nothing is joined.
    pub fn is_empty(&self) -> bool {
        self.and.is_empty() && self.or.is_empty() && self.not.is_none()
    }
    /// The filters that are joined.
    pub fn parts(&self) -> impl Iterator<Item = &F> {
        self.and.iter().chain(&self.or).chain(self.not.as_deref())
    }
    /// The same, to be changed.
    pub fn parts_mut(&mut self) -> impl Iterator<Item = &mut F> {
        self.and.iter_mut().chain(&mut self.or).chain(self.not.as_deref_mut())
    }
}

/// A filter to which others of its kind can be joined.
pub trait Composed: Sized {
    /// The table whose rows it finds.
    type Table: 'static;
    /// What its conditions depend on beside itself, such as the moment.
    type Given: Copy;

    fn joined(&self) -> &Joined<Self>;
    fn joined_mut(&mut self) -> &mut Joined<Self>;

    /// True when it, or any filter that is joined to it however deep, is so.
    fn any(&self, is_so: &dyn Fn(&Self) -> bool) -> bool {
        is_so(self) || self.joined().parts().any(|part| part.any(is_so))
    }
    /// Does something to it and to every filter that is joined to it.
    fn each<E>(&mut self, change: &mut dyn FnMut(&mut Self) -> Result<(), E>) -> Result<(), E> {
        change(self)?;
        self.joined_mut().parts_mut().try_for_each(|part| part.each(change))
    }
}

/// A filter as a condition of one of the databases.
pub trait Conditioned<DB: Backend>: Composed {
    /// Its own conditions, and what is joined to it.
    fn condition(&self, given: Self::Given) -> Condition<'_, Self::Table, DB>;
}

/// What must hold of a table's rows: conditions put together while the program runs.
pub struct Condition<'a, QS, DB: Backend> {
    between: &'static str,
    parts: Vec<Box<dyn QueryFragment<DB> + Send + 'a>>,
    of: PhantomData<fn() -> QS>,
}

impl<'a, QS: 'static, DB: Backend + 'a> Condition<'a, QS, DB> {
    /// Holds as long as nothing is added.
    pub fn all() -> Self {
        Self { between: ") AND (", parts: Vec::new(), of: PhantomData }
    }
    /// Adds a condition, as a query does.
    pub fn filter<P>(mut self, part: P) -> Self
    where
        P: AppearsOnTable<QS> + NonAggregate + QueryFragment<DB> + Send + 'a,
        P::SqlType: BoolOrNullableBool,
    {
        self.parts.push(Box::new(part));
        self
    }
}

impl<QS, DB: Backend> QueryFragment<DB> for Condition<'_, QS, DB> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        // There are more such statements than a connection should keep.
        out.unsafe_to_cache_prepared();
        if self.parts.is_empty() {
            out.push_sql("1 = 1");
            return Ok(());
        }
        for (n, part) in self.parts.iter().enumerate() {
            out.push_sql(if n == 0 { "((" } else { self.between });
            part.walk_ast(out.reborrow())?;
        }
        out.push_sql("))");
        Ok(())
    }
}

impl<QS, DB: Backend> Expression for Condition<'_, QS, DB> {
    type SqlType = Nullable<Bool>;
}

impl<QS, DB: Backend> AppearsOnTable<QS> for Condition<'_, QS, DB> {}

impl<QS, DB: Backend> ValidGrouping<()> for Condition<'_, QS, DB> {
    type IsAggregate = is_aggregate::No;
}

/// Holds where a condition does not: also where it is unknown, as a comparison with what a row does not have.
struct Not<'a, QS, DB: Backend>(Condition<'a, QS, DB>);

impl<QS, DB: Backend> QueryFragment<DB> for Not<'_, QS, DB> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("(");
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(") IS NOT TRUE");
        Ok(())
    }
}

/// The condition of all that is joined to a filter; `None` when nothing is.
pub fn also<F, DB>(filter: &F, given: F::Given) -> Option<Condition<'_, F::Table, DB>>
where
    F: Conditioned<DB>,
    DB: Backend + 'static,
{
    let joined = filter.joined();
    if joined.is_empty() {
        return None;
    }
    let mut whole = Condition::all();
    whole.parts.extend(joined.and.iter().map(|part| Box::new(part.condition(given)) as _));
    if !joined.or.is_empty() {
        let mut any: Condition<'_, F::Table, DB> = Condition { between: ") OR (", ..Condition::all() };
        any.parts.extend(joined.or.iter().map(|part| Box::new(part.condition(given)) as _));
        whole.parts.push(Box::new(any));
    }
    if let Some(not) = &joined.not {
        whole.parts.push(Box::new(Not(not.condition(given))));
    }
    Some(whole)
}

/// Makes a table's filter one that others can be joined to; it keeps them in its field `joined`. The second form is
/// for a `filtered!` that wants to know something more.
#[macro_export]
macro_rules! composed {
    ($filtered:ident, $table:ident, $filter:ty) => {
        $crate::composed!(@joined $table, $filter, ());
        $crate::composed!(@on diesel::pg::Pg, $table, $filter, (), |filter, _none, all| $filtered!(all, filter));
        $crate::composed!(@on diesel::sqlite::Sqlite, $table, $filter, (), |filter, _none, all| $filtered!(all, filter));
    };
    ($filtered:ident, $table:ident, $filter:ty, $given:ty) => {
        $crate::composed!(@joined $table, $filter, $given);
        $crate::composed!(@on diesel::pg::Pg, $table, $filter, $given, |filter, given, all| $filtered!(all, filter, given));
        $crate::composed!(@on diesel::sqlite::Sqlite, $table, $filter, $given, |filter, given, all| $filtered!(all, filter, given));
    };
    (@joined $table:ident, $filter:ty, $given:ty) => {
        impl $crate::model::joined::Composed for $filter {
            type Table = $table::table;
            type Given = $given;

            fn joined(&self) -> &$crate::model::joined::Joined<Self> {
                &self.joined
            }
            fn joined_mut(&mut self) -> &mut $crate::model::joined::Joined<Self> {
                &mut self.joined
            }
        }
    };
    (@on $db:ty, $table:ident, $filter:ty, $given:ty, |$it:ident, $with:ident, $all:ident| $filtered:expr) => {
        impl $crate::model::joined::Conditioned<$db> for $filter {
            fn condition(&self, $with: $given) -> $crate::model::joined::Condition<'_, $table::table, $db> {
                let ($it, $all) = (self, $crate::model::joined::Condition::<'_, $table::table, $db>::all());
                $filtered
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::request_log::LogFilter;

    fn on(status: i64) -> LogFilter {
        LogFilter { status: Some(status), ..LogFilter::default() }
    }

    #[test]
    fn a_filter_of_filters_is_one_condition_in_brackets() {
        let text = |filter: &LogFilter| {
            let condition: Condition<'_, _, diesel::sqlite::Sqlite> = filter.condition(());
            diesel::debug_query::<diesel::sqlite::Sqlite, _>(&condition).to_string()
        };
        let bare = |text: &str| text.split(" -- ").next().unwrap_or_default().replace(['(', ')'], "");
        let own = "`request_logs`.`status` = ?";
        assert_eq!(bare(&text(&on(1))), own);
        let mut filter = on(1);
        filter.joined.or = vec![on(2), LogFilter::default()];
        filter.joined.not = Some(Box::new(on(3)));
        let found = text(&filter);
        assert_eq!(bare(&found), format!("{own} AND {own} OR 1 = 1 AND {own} IS NOT TRUE"));
        assert_eq!(found.matches('(').count(), found.matches(')').count(), "{found}");
        assert!(found.contains(") OR (1 = 1))) AND ((("), "each has its brackets: {found}");
    }

    #[test]
    fn what_is_joined_is_kept_with_the_filter_and_reached_however_deep() {
        let mut deep = on(1);
        deep.joined.and = vec![LogFilter { joined: Joined { or: vec![on(2)], ..Joined::default() }, ..on(3) }];
        let kept = serde_json::to_string(&deep).expect("a text");
        let mut back: LogFilter = serde_json::from_str(&kept).expect("the same filter");
        assert_eq!(serde_json::to_string(&back).expect("a text"), kept);
        assert!(!serde_json::to_string(&on(1)).expect("a text").contains("joined"));
        assert!(back.any(&|f| f.status == Some(2)) && !back.any(&|f| f.status == Some(4)));
        back.each(&mut |f| {
            f.status = None;
            Ok::<(), ()>(())
        })
        .expect("nothing refuses");
        assert!(!back.any(&|f| f.status.is_some()));
    }
}
