//! Several queries of one shape as one statement: the same page of many owners' lists, each found by its own index.

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;

/// Queries whose rows come after each other, in the order of the queries. At least one; one alone is sent as it is.
pub struct Together<Q>(pub Vec<Q>);

impl<DB: Backend, Q: QueryFragment<DB>> QueryFragment<DB> for Together<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        if let [only] = self.0.as_slice() {
            return only.walk_ast(out);
        }
        // There would be one for every number of owners.
        out.unsafe_to_cache_prepared();
        for (n, query) in self.0.iter().enumerate() {
            out.push_sql(if n == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
            query.walk_ast(out.reborrow())?;
            out.push_sql(") AS part");
        }
        Ok(())
    }
}

impl<Q> QueryId for Together<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: Query> Query for Together<Q> {
    type SqlType = Q::SqlType;
}
