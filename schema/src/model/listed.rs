//! The lists that hang on a person, which tables have alike: counted, and paged in the order of time.
//!
//! A table brings its own `filtered!`, which lays a filter over a query.

/// How many rows a list has, and each of several.
#[macro_export]
macro_rules! counted {
    ($filtered:ident, $table:ident, $filter:ty) => {
        pub async fn count(conn: &mut $crate::db::Conn, filter: &$filter) -> diesel::QueryResult<i64> {
            $crate::on!(conn, |c| $filtered!($table::table.into_boxed(), filter).count().get_result(c).await)
        }
        /// How many rows each of several lists has, by its owner, in one statement.
        pub async fn count_each(
            conn: &mut $crate::db::Conn,
            filters: &[$filter],
        ) -> diesel::QueryResult<Vec<(i64, i64)>> {
            $crate::on!(conn, |c| {
                let mut counts = Vec::with_capacity(filters.len());
                for filter in filters {
                    let owner = filter.user_id.unwrap_or_default().into_sql::<diesel::sql_types::BigInt>();
                    let query = $filtered!($table::table.into_boxed(), filter);
                    counts.push(query.select((owner, diesel::dsl::count_star())));
                }
                $crate::db::Together(counts).load(c).await
            })
        }
    };
}

/// Pages of a list by the time its rows were made, numbered and by cursor.
#[macro_export]
macro_rules! paged_by_time {
    ($filtered:ident, $table:ident, $filter:ty) => {
        /// Newest first, one numbered page.
        pub async fn window(
            conn: &mut $crate::db::Conn,
            filter: &$filter,
            window: $crate::page::Window,
        ) -> diesel::QueryResult<Vec<Self>> {
            $crate::on!(conn, |c| $filtered!($table::table.select(Self::as_select()).into_boxed(), filter)
                .order(($table::created_at.desc(), $table::id.desc()))
                .limit(window.limit)
                .offset(window.offset)
                .load(c)
                .await)
        }
        /// One keyset page and one row more.
        pub async fn seek(
            conn: &mut $crate::db::Conn,
            filter: &$filter,
            direction: $crate::page::Direction,
            seek: &$crate::page::Seek,
        ) -> diesel::QueryResult<Vec<Self>> {
            Self::seek_each(conn, std::slice::from_ref(filter), direction, seek).await
        }
        /// The same page of several lists, in one statement.
        pub async fn seek_each(
            conn: &mut $crate::db::Conn,
            filters: &[$filter],
            direction: $crate::page::Direction,
            seek: &$crate::page::Seek,
        ) -> diesel::QueryResult<Vec<Self>> {
            use $crate::{clock::Time, seek_by};
            $crate::on!(conn, |c| {
                let mut lists = Vec::with_capacity(filters.len());
                for filter in filters {
                    let query = $filtered!($table::table.select(Self::as_select()).into_boxed(), filter);
                    let query = seek_by!(query, $table::created_at, $table::id, Number, Time, direction, seek);
                    lists.push(query.limit(seek.take + 1));
                }
                $crate::db::Together(lists).load(c).await
            })
        }
        /// The sort value of a row, for its cursor.
        pub fn cursor_key(&self) -> $crate::page::CursorKey {
            $crate::page::CursorKey::Number(self.created_at.0)
        }
    };
}
