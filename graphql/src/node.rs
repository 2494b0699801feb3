//! Opaque global ids: the type's name and the row's id, in base64url.

use async_graphql::ID;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schema::Error;

use crate::fault::Result;

/// The global id of a row.
pub fn id(kind: &str, row: i64) -> ID {
    ID(URL_SAFE_NO_PAD.encode(format!("{kind}:{row}")))
}

/// The row an id of a known type names.
pub fn row(kind: &'static str, id: &ID, field: &str) -> Result<i64> {
    match split(id) {
        Some((found, row)) if found == kind => Ok(row),
        _ => Err(Error::invalid(field, format!("this is no id of a {kind}")).into()),
    }
}

/// The type and row of any id.
pub fn split(id: &ID) -> Option<(String, i64)> {
    if id.len() > 200 {
        return None;
    }
    let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(id.as_str()).ok()?).ok()?;
    let (kind, row) = plain.split_once(':')?;
    Some((kind.to_owned(), row.parse().ok().filter(|n: &i64| *n > 0)?))
}
