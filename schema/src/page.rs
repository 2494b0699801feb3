//! Paging: keyset windows for GraphQL and the new, numbered windows for dialects that count pages.

use crate::error::{Error, Result};

/// Which way a list runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    Asc,
    #[default]
    Desc,
}

/// Where a keyset page begins: the sort value and id of the row before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    pub key: CursorKey,
    pub id: i64,
}

/// The sort value inside a cursor.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum CursorKey {
    Number(i64),
    Text(String),
}

impl Cursor {
    /// Opaque text for clients.
    pub fn encode(&self) -> String {
        use base64::Engine;
        let plain = serde_json::json!([self.key, self.id]).to_string();
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(plain)
    }
    /// Reads what [`encode`](Self::encode) wrote.
    pub fn decode(text: &str) -> Result<Self> {
        use base64::Engine;
        let bad = || Error::invalid("after", "this is no cursor of this list");
        if text.len() > 1024 {
            return Err(bad());
        }
        let plain = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        let (key, id) = serde_json::from_slice::<(CursorKey, i64)>(&plain).map_err(|_| bad())?;
        Ok(Self { key, id })
    }
}

/// A keyset window: up to `take` rows after (or before) a cursor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seek {
    pub take: i64,
    pub after: Option<Cursor>,
    /// True when paging from the end (`last`, `before`).
    pub backward: bool,
}

impl Default for Seek {
    fn default() -> Self {
        Self { take: 20, after: None, backward: false }
    }
}

/// Rows of one page and whether there is more on either side.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub has_next: bool,
    pub has_previous: bool,
}

impl<T> Page<T> {
    /// Cuts the one row too many that was asked for to learn whether there is more.
    pub fn cut(mut rows: Vec<T>, seek: &Seek) -> Self {
        let more = rows.len() as i64 > seek.take;
        rows.truncate(usize::try_from(seek.take).unwrap_or(0));
        if seek.backward {
            rows.reverse();
            return Self { rows, has_next: seek.after.is_some(), has_previous: more };
        }
        Self { rows, has_next: more, has_previous: seek.after.is_some() }
    }
    /// The same page of other things.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { rows: self.rows.into_iter().map(f).collect(), has_next: self.has_next, has_previous: self.has_previous }
    }
}

/// A numbered window: skip, then take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub limit: i64,
    pub offset: i64,
}

/// The furthest a numbered window may skip; beyond it, filter or use cursors.
const MAX_OFFSET: i64 = 1_000_000;

impl Window {
    /// By page number (from 1) and size.
    pub fn page(page: i64, size: i64, max: i64) -> Result<Self> {
        if size < 1 || size > max {
            return Err(Error::invalid("limit", format!("must be between 1 and {max}")));
        }
        if !(1..=MAX_OFFSET).contains(&page) {
            return Err(Error::invalid("page", "must be 1 or more, within reason"));
        }
        Self::skip((page - 1).saturating_mul(size), size, max)
    }
    /// By offset and limit.
    pub fn skip(offset: i64, limit: i64, max: i64) -> Result<Self> {
        if limit < 1 || limit > max {
            return Err(Error::invalid("limit", format!("must be between 1 and {max}")));
        }
        if !(0..=MAX_OFFSET).contains(&offset) {
            return Err(Error::invalid("offset", format!("must be between 0 and {MAX_OFFSET}")));
        }
        Ok(Self { limit, offset })
    }
}

/// A numbered page with the count of all rows.
#[derive(Clone, Debug)]
pub struct Counted<T> {
    pub rows: Vec<T>,
    pub total: i64,
}

/// Adds to a boxed query the keyset condition and order of one sort column with the id as tie-break.
///
/// `$variant` is the cursor's kind (`Number`, `Text`) and `$wrap` what turns its value into the column's type.
/// A cursor of another kind belongs to another order and finds nothing.
#[macro_export]
macro_rules! seek_by {
    ($query:expr, $column:expr, $id:expr, $variant:ident, $wrap:expr, $direction:expr, $seek:expr) => {{
        let mut query = $query;
        let rising = ($direction == $crate::page::Direction::Asc) != $seek.backward;
        if let Some(cursor) = &$seek.after {
            let $crate::page::CursorKey::$variant(value) = &cursor.key else { return Ok(Vec::new()) };
            let value = $crate::seek_by!(@wrap $variant, $wrap, value);
            query = if rising {
                query.filter($column.gt(value.clone()).or($column.eq(value).and($id.gt(cursor.id))))
            } else {
                query.filter($column.lt(value.clone()).or($column.eq(value).and($id.lt(cursor.id))))
            };
        }
        if rising { query.order(($column.asc(), $id.asc())) } else { query.order(($column.desc(), $id.desc())) }
    }};
    (@wrap Number, $wrap:expr, $value:ident) => { $wrap(*$value) };
    (@wrap Text, $wrap:expr, $value:ident) => { $value.clone() };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_and_garbage_is_refused() {
        for key in [CursorKey::Number(5), CursorKey::Text("ann|\"x".into())] {
            let c = Cursor { key, id: 9 };
            assert_eq!(Cursor::decode(&c.encode()).expect("a cursor"), c);
        }
        for bad in ["", "%%%", "e30", "W10"] {
            assert_eq!(Cursor::decode(bad).map_err(|e| e.code()), Err("BAD_USER_INPUT"), "{bad}");
        }
    }

    #[test]
    fn windows_refuse_what_is_out_of_range() {
        assert_eq!(Window::page(2, 20, 100).expect("a window"), Window { limit: 20, offset: 20 });
        assert!(Window::page(0, 20, 100).is_err());
        assert!(Window::page(1, 101, 100).is_err());
        assert!(Window::page(i64::MAX, 100, 100).is_err());
        assert!(Window::skip(-1, 20, 100).is_err());
    }
}
