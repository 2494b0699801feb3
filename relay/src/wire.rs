//! Pure pieces of the vendors' wire formats: signing, framing, tokens, limits, headers, scrubbing.
//!
//! Nothing here does I/O, reads a clock or draws a random number: time and chance are arguments.
//! What a vendor expects as a whole request is `provider`'s business.

pub mod eventstream;
pub mod headers;
pub mod kling_jwt;
pub mod multipart;
pub mod oauth;
pub mod percent;
pub mod ratelimit;
pub mod scrub;
pub mod sigv4;
pub mod vertex;

use std::fmt;

/// Why a piece of wire format could not be built or read; safe to show, it never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireError {
    /// An address or header of the account's settings cannot be used.
    Address(String),
    /// A key, token or service account cannot be used.
    Key(&'static str),
    /// A body is not of the form that its protocol asks for.
    Body(String),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(why) | Self::Body(why) => f.write_str(why),
            Self::Key(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for WireError {}

impl From<http::Error> for WireError {
    fn from(error: http::Error) -> Self {
        Self::Address(format!("the account's address or headers are not valid: {error}"))
    }
}

/// A POST of a form, as token endpoints take it.
pub fn post_form(url: &str, fields: &[(&str, &str)]) -> Result<http::Request<bytes::Bytes>, WireError> {
    let body = percent::form(fields);
    Ok(http::Request::post(url)
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(http::header::ACCEPT, "application/json")
        .body(body.into())?)
}

/// A POST of a JSON document.
pub fn post_json(url: &str, body: &serde_json::Value) -> Result<http::Request<bytes::Bytes>, WireError> {
    Ok(http::Request::post(url)
        .header(http::header::CONTENT_TYPE, "application/json")
        .header(http::header::ACCEPT, "application/json")
        .body(body.to_string().into())?)
}
