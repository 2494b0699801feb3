//! Opaque global ids: the type's name and the row's id, in base64url.

use async_graphql::ID;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schema::Error;

use crate::fault::Result;

/// The global id of a row.
pub fn id(kind: &str, row: impl std::fmt::Display) -> ID {
    ID(URL_SAFE_NO_PAD.encode(format!("{kind}:{row}")))
}

/// The row an id of a known type names.
pub fn row(kind: &str, id: &ID, field: &str) -> Result<i64> {
    match split(id) {
        Some((found, row)) if found == kind => number(&row).ok_or_else(|| refused(kind, field)),
        _ => Err(refused(kind, field)),
    }
}

/// The row an optional id of a known type names.
pub fn row_if(kind: &str, id: Option<&ID>, field: &str) -> Result<Option<i64>> {
    id.map(|id| row(kind, id, field)).transpose()
}

/// The rows of a list of ids, at most `most`.
pub fn rows(kind: &str, ids: &[ID], field: &str, most: usize) -> Result<Vec<i64>> {
    if ids.len() > most {
        return Err(Error::invalid(field, format!("at most {most} at once")).into());
    }
    ids.iter().map(|id| row(kind, id, field)).collect()
}

/// The name an id of a known type holds, where rows are known by a name.
pub fn name(kind: &str, id: &ID, field: &str) -> Result<String> {
    match split(id) {
        Some((found, name)) if found == kind && !name.is_empty() => Ok(name),
        _ => Err(refused(kind, field)),
    }
}

/// The type and the row of any id; `None` for what is none.
pub fn split(id: &ID) -> Option<(String, String)> {
    if id.len() > 400 {
        return None;
    }
    let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(id.as_str()).ok()?).ok()?;
    let (kind, row) = plain.split_once(':')?;
    if row.contains('\0') {
        return None;
    }
    Some((kind.to_owned(), row.to_owned()))
}

/// A row's number.
pub fn number(row: &str) -> Option<i64> {
    row.parse().ok().filter(|n: &i64| *n > 0)
}

fn refused(kind: &str, field: &str) -> crate::fault::Fault {
    Error::invalid(field, format!("this is no id of a {kind}")).into()
}

/// What is not there is null, not an error; it is not told whether it exists for somebody else.
pub fn found<R, T>(answer: schema::Result<R>, wrap: impl FnOnce(R) -> T) -> Result<Option<T>> {
    match answer {
        Ok(row) => Ok(Some(wrap(row))),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_their_type_and_nothing_else_is_one() {
        assert_eq!(row("User", &id("User", 7), "id").ok(), Some(7));
        assert_eq!(name("Call", &id("Call", "a:b"), "id").ok().as_deref(), Some("a:b"));
        for bad in [
            id("ApiKey", 7),
            id("User", -7),
            id("User", "7x"),
            id("User", "99999999999999999999"),
            "7".into(),
            "".into(),
            "%%%".into(),
            "x".repeat(500).into(),
        ] {
            let code = row("User", &bad, "id").map_err(|f| f.0.code());
            assert_eq!(code, Err("BAD_USER_INPUT"), "{}", bad.as_str());
        }
    }
}
