//! The `routes!` table: one line an endpoint, read both by the router and by the tests and documents
//! that ask which endpoints there are.

/// One line of a dialect's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub method: &'static str,
    pub path: &'static str,
}

/// Declares a dialect's endpoints: `pub const TABLE` and `pub fn routes() -> Router<App>`.
///
/// A path with a wrong method answers 405 in the dialect's words.
#[macro_export]
macro_rules! routes {
    ($dialect:ty; $($method:ident $path:literal => $handler:expr;)+) => {
        /// Every endpoint of this dialect.
        pub const TABLE: &[$crate::dialect::Row] =
            &[$($crate::dialect::Row { method: stringify!($method), path: $path }),+];

        /// The endpoints on a router.
        pub fn routes() -> axum::Router<schema::App> {
            axum::Router::new()
                $(.route($path, $crate::routes!(@on $method, $handler)))+
                .method_not_allowed_fallback(|| async {
                    use axum::response::IntoResponse;
                    (http::StatusCode::METHOD_NOT_ALLOWED, $crate::dialect::wrong_method::<$dialect>()).into_response()
                })
        }
    };
    (@on GET, $handler:expr) => { axum::routing::get($handler) };
    (@on POST, $handler:expr) => { axum::routing::post($handler) };
    (@on PUT, $handler:expr) => { axum::routing::put($handler) };
    (@on PATCH, $handler:expr) => { axum::routing::patch($handler) };
    (@on DELETE, $handler:expr) => { axum::routing::delete($handler) };
}
