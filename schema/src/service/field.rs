//! Checks of single fields that several services share.

use crate::error::{Error, Result};

/// Free text up to so many characters.
pub fn text(field: &str, value: &str, most: usize) -> Result<()> {
    if value.chars().count() > most {
        return Err(Error::invalid(field, format!("{field} may have at most {most} characters")));
    }
    if value.contains('\0') {
        return Err(Error::invalid(field, format!("{field} may not hold a NUL character")));
    }
    Ok(())
}

/// The name of a thing: not blank, one line, trimmed.
pub fn name(field: &str, value: &str, most: usize) -> Result<String> {
    let value = value.trim();
    if value.is_empty() {
        return Err(Error::invalid(field, format!("{field} may not be empty")));
    }
    text(field, value, most)?;
    if value.chars().any(char::is_control) {
        return Err(Error::invalid(field, format!("{field} may not hold control characters")));
    }
    Ok(value.to_owned())
}

/// Trimmed names without doubles: at most so many of at most so many characters.
pub fn list(field: &str, values: &[String], most: usize, most_chars: usize) -> Result<Vec<String>> {
    if values.len() > most {
        return Err(Error::invalid(field, format!("{field} may have at most {most} entries")));
    }
    let mut out: Vec<String> = Vec::with_capacity(values.len());
    for (i, value) in values.iter().enumerate() {
        let value = name(&format!("{field}.{i}"), value, most_chars)?;
        if !out.contains(&value) {
            out.push(value);
        }
    }
    Ok(out)
}

/// A number within bounds.
pub fn within(field: &str, value: i64, low: i64, high: i64) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(field, format!("{field} must be between {low} and {high}")))
}

/// A document of a face's own, kept to a size.
pub fn document(field: &str, value: &serde_json::Map<String, serde_json::Value>, most_bytes: usize) -> Result<()> {
    let size = serde_json::to_string(value).map_err(Error::internal)?.len();
    if size > most_bytes {
        return Err(Error::invalid(field, format!("{field} may have at most {most_bytes} bytes")));
    }
    Ok(())
}

/// Somebody changed it in between.
pub fn stale() -> Error {
    Error::conflict("STALE_VERSION", "somebody else changed this in the meantime; read it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_the_field() {
        assert!(matches!(name("name", "  ", 9), Err(Error::Invalid { field, .. }) if field == "name"));
        assert!(name("name", "a\nb", 9).is_err());
        assert_eq!(name("name", " ann ", 3).ok().as_deref(), Some("ann"));
        let tags = vec!["a".into(), " a ".into(), "".into()];
        assert!(matches!(list("tags", &tags, 9, 9), Err(Error::Invalid { field, .. }) if field == "tags.2"));
        assert_eq!(list("tags", &tags[..2], 9, 9).ok(), Some(vec!["a".to_owned()]));
        assert!(list("tags", &tags, 2, 9).is_err());
        assert!(within("n", 3, 0, 2).is_err());
    }
}
