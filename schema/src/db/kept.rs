//! SQLite statements whose text never changes: prepared once a connection and found again by their type, with nothing
//! to write, compare or parse at each use. Diesel keeps no upsert, update or literal SQL prepared; the books, which
//! run thousands of them a second, cannot pay for that.

/// Defines such a statement: its text, with the values where they stand in it, or (`=> path: value`) with what a
/// function writes there that several share.
#[macro_export]
macro_rules! kept {
    ($(#[$doc:meta])* $name:ident<$life:lifetime>($holds:ty) |$it:ident| $($sql:literal $(<$kind:ty> $value:expr,)? $(=> $part:path: $of:expr,)?)+) => {
        $(#[$doc])*
        struct $name<$life>($holds);

        impl diesel::query_builder::QueryFragment<diesel::sqlite::Sqlite> for $name<'_> {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::sqlite::Sqlite>,
            ) -> diesel::QueryResult<()> {
                let $it = &self.0;
                $(
                    out.push_sql($sql);
                    $(out.push_bind_param::<$kind, _>(&$value)?;)?
                    $($part($of, &mut out)?;)?
                )+
                Ok(())
            }
        }

        impl diesel::query_builder::QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl diesel::RunQueryDsl<diesel::SqliteConnection> for $name<'_> {}
    };
}
