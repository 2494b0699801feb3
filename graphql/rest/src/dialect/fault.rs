//! Refusals in a dialect's own words.

use std::marker::PhantomData;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use schema::Error;

use super::Dialect;

/// What a handler of dialect `D` returns.
pub type Reply<D, T = Response> = Result<T, Fault<D>>;

/// An error on its way out through dialect `D`.
pub struct Fault<D>(pub Error, PhantomData<D>);

impl<D> From<Error> for Fault<D> {
    fn from(error: Error) -> Self {
        Self(error, PhantomData)
    }
}

impl<D: Dialect> IntoResponse for Fault<D> {
    fn into_response(self) -> Response {
        let error = self.0;
        // Logged once, here, where it is rendered.
        if error.is_ours() {
            tracing::error!(face = %D::FACE, code = error.code(), cause = error.cause().unwrap_or_default(), "{error}");
        }
        let mut response = D::refuse(&error);
        if let Error::RateLimited { retry_after, .. } = &error {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*retry_after));
        }
        response
    }
}
