//! The `routes!` table: one line an endpoint, read both by the router and by the tests and documents
//! that ask which endpoints there are.

/// One line of a dialect's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub method: &'static str,
    pub path: &'static str,
}

/// Declares a dialect's endpoints: `pub const TABLE`, `pub fn routes() -> Router<App>` and their description,
/// `pub fn operations()`. A line whose success is not JSON in the dialect's envelope ends with what it is, an
/// [`Answer`](crate::openapi::Answer).
///
/// A path with a wrong method answers 405 in the dialect's words.
#[macro_export]
macro_rules! routes {
    (pages; $($method:ident $path:literal => $handler:expr $(, $answer:ident)?;)+) => {
        $crate::routes!(@table $($method $path => $handler $(, $answer)?;)+);

        /// The endpoints, described by their handlers' own types.
        pub fn operations() -> Vec<$crate::openapi::Operation> {
            $crate::routes!(@described $crate::openapi::voice::PAGES.tag;
                $($method $path => $handler $(, $answer)?;)+)
        }

        /// The endpoints on a router.
        pub fn routes() -> axum::Router<schema::App> {
            $crate::routes!(@mounted $($method $path => $handler;)+)
        }
    };
    ($dialect:ty; $($method:ident $path:literal => $handler:expr $(, $answer:ident)?;)+) => {
        $crate::routes!(@table $($method $path => $handler $(, $answer)?;)+);

        /// The endpoints, described by their handlers' own types.
        pub fn operations() -> Vec<$crate::openapi::Operation> {
            $crate::routes!(@described <$dialect as $crate::openapi::voice::Spoken>::VOICE.tag;
                $($method $path => $handler $(, $answer)?;)+)
        }

        /// The endpoints on a router.
        pub fn routes() -> axum::Router<schema::App> {
            $crate::routes!(@mounted $($method $path => $handler;)+)
                .method_not_allowed_fallback(|| async {
                    use axum::response::IntoResponse;
                    (http::StatusCode::METHOD_NOT_ALLOWED, $crate::dialect::wrong_method::<$dialect>()).into_response()
                })
        }
    };
    (@table $($method:ident $path:literal => $handler:expr $(, $answer:ident)?;)+) => {
        /// Every endpoint of this dialect.
        pub const TABLE: &[$crate::dialect::Row] =
            &[$($crate::dialect::Row { method: stringify!($method), path: $path }),+];
    };
    (@mounted $($method:ident $path:literal => $handler:expr;)+) => {
        axum::Router::new()$(.route($path, $crate::routes!(@on $method, $handler)))+
    };
    (@described $tag:expr; $($method:ident $path:literal => $handler:expr $(, $answer:ident)?;)+) => {
        vec![$($crate::openapi::Operation::of(
            ($tag, stringify!($method), $path),
            stringify!($handler),
            &$handler,
            $crate::routes!(@answer $($answer)?),
        )),+]
    };
    (@answer) => { $crate::openapi::Answer::Json };
    (@answer $answer:ident) => { $crate::openapi::Answer::$answer };
    (@on GET, $handler:expr) => { axum::routing::get($handler) };
    (@on POST, $handler:expr) => { axum::routing::post($handler) };
    (@on PUT, $handler:expr) => { axum::routing::put($handler) };
    (@on PATCH, $handler:expr) => { axum::routing::patch($handler) };
    (@on DELETE, $handler:expr) => { axum::routing::delete($handler) };
}
