//! Column values both databases speak: closed sets as text, documents as JSON text, tag lists.

use diesel::backend::Backend;
use diesel::deserialize::{FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::Pg;
use diesel::serialize::{IsNull, Output, ToSql};
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;
use std::io::Write;

/// A document stored as JSON text and never queried inside.
///
/// A stored document that no longer fits its type reads as the type's default rather than making the
/// whole row unreadable; fields are added with `#[serde(default)]`.
#[derive(Clone, Debug, Default, PartialEq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct Doc<T: std::fmt::Debug>(pub T);

impl<T: std::fmt::Debug> std::ops::Deref for Doc<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: std::fmt::Debug> From<T> for Doc<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: std::fmt::Debug> std::ops::DerefMut for Doc<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T, DB: Backend> FromSql<Text, DB> for Doc<T>
where
    T: serde::de::DeserializeOwned + Default + std::fmt::Debug,
    String: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        let text = String::from_sql(bytes)?;
        Ok(Self(serde_json::from_str(&text).unwrap_or_else(|cause| {
            tracing::warn!(%cause, kind = std::any::type_name::<T>(), "a stored document does not fit its type");
            T::default()
        })))
    }
}

impl<T: serde::Serialize + std::fmt::Debug> ToSql<Text, Pg> for Doc<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> diesel::serialize::Result {
        out.write_all(serde_json::to_string(&self.0)?.as_bytes())?;
        Ok(IsNull::No)
    }
}

impl<T: serde::Serialize + std::fmt::Debug> ToSql<Text, Sqlite> for Doc<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> diesel::serialize::Result {
        out.set_value(serde_json::to_string(&self.0)?);
        Ok(IsNull::No)
    }
}

/// A list of short words in one text column, each between bars (`|a|b|`), so that one word can be
/// asked for with `LIKE '%|a|%'` on both databases.
#[derive(Clone, Debug, Default, PartialEq, Eq, AsExpression, FromSqlRow, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
#[diesel(sql_type = Text)]
pub struct Words(pub Vec<String>);

impl Words {
    /// Cleans: trimmed, no bars, no empties, no doubles, order kept.
    pub fn of<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Self {
        let mut out: Vec<String> = Vec::new();
        for word in words {
            let word = word.as_ref().trim().replace('|', "/");
            if !word.is_empty() && !out.contains(&word) {
                out.push(word);
            }
        }
        Self(out)
    }
    /// From a comma-separated line.
    pub fn split(line: &str) -> Self {
        Self::of(line.split(','))
    }
    /// The `LIKE` pattern that finds one word (`%` and `_` in it are escaped with `\`).
    pub fn pattern(word: &str) -> String {
        format!("%|{}|%", escape_like(word))
    }
    fn stored(&self) -> String {
        if self.0.is_empty() { String::new() } else { format!("|{}|", self.0.join("|")) }
    }
}

/// Escapes what `LIKE … ESCAPE '\'` would take as a wildcard.
pub fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// The pattern of a text in which `%` stands for anything, and everything else for itself.
pub fn like_pattern(text: &str) -> String {
    text.split('%').map(escape_like).collect::<Vec<_>>().join("%")
}

impl<DB: Backend> FromSql<Text, DB> for Words
where
    String: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        Ok(Self::of(String::from_sql(bytes)?.split('|')))
    }
}

impl ToSql<Text, Pg> for Words {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> diesel::serialize::Result {
        out.write_all(self.stored().as_bytes())?;
        Ok(IsNull::No)
    }
}

impl ToSql<Text, Sqlite> for Words {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> diesel::serialize::Result {
        out.set_value(self.stored());
        Ok(IsNull::No)
    }
}

/// Declares a closed set stored as text: the enum, `as_str`, `parse`, `ALL`, serde and both databases.
#[macro_export]
macro_rules! text_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(diesel::expression::AsExpression, diesel::deserialize::FromSqlRow, serde::Serialize, serde::Deserialize)]
        #[diesel(sql_type = diesel::sql_types::Text)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// Every member.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The stored word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
            /// The member of a stored word.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }

        impl<DB: diesel::backend::Backend> diesel::deserialize::FromSql<diesel::sql_types::Text, DB> for $name
        where String: diesel::deserialize::FromSql<diesel::sql_types::Text, DB>
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
                let text = <String as diesel::deserialize::FromSql<diesel::sql_types::Text, DB>>::from_sql(bytes)?;
                Self::parse(&text).ok_or_else(|| format!("{text} is no {}", stringify!($name)).into())
            }
        }

        impl<DB: diesel::backend::Backend> diesel::serialize::ToSql<diesel::sql_types::Text, DB> for $name
        where str: diesel::serialize::ToSql<diesel::sql_types::Text, DB>
        {
            fn to_sql<'b>(&'b self, out: &mut diesel::serialize::Output<'b, '_, DB>) -> diesel::serialize::Result {
                self.as_str().to_sql(out)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cleaned_and_found() {
        let words = Words::of([" a ", "", "b|c", "a"]);
        assert_eq!(words.0, ["a", "b/c"]);
        assert_eq!(words.stored(), "|a|b/c|");
        assert_eq!(Words::pattern("50%_x"), "%|50\\%\\_x|%");
    }

    #[test]
    fn only_per_cents_stand_for_anything() {
        assert_eq!(like_pattern("gpt_4%"), "gpt\\_4%");
        assert_eq!(like_pattern("%a\\%b"), "%a\\\\%b");
        assert_eq!(like_pattern("plain"), "plain");
    }
}
