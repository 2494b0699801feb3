//! The page for people: GraphiQL.

use axum::Router;

/// Its routes.
pub fn router() -> Router {
    Router::new()
}
