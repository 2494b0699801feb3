//! The environment over a `.env` file: values by name, and a sentence for whatever does not read.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::VARIABLES;

/// The values a configuration is read from.
#[derive(Default)]
pub struct Env {
    values: BTreeMap<String, String>,
    faults: Vec<String>,
}

impl Env {
    /// The process's environment over a `.env` file in the working folder.
    pub fn load() -> Self {
        let mut env = Self::default();
        match std::fs::read(".env") {
            Ok(bytes) => env.read_file(&bytes),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => env.faults.push(format!("the file .env cannot be read ({e})")),
        }
        for (name, value) in std::env::vars_os() {
            // What the variables of others hold is no business of ours, and need not be text.
            let Some(name) = name.to_str().filter(|name| VARIABLES.iter().any(|(known, ..)| known == name)) else {
                continue;
            };
            match value.into_string() {
                Ok(value) => {
                    env.values.insert(name.to_owned(), value);
                }
                Err(_) => env.faults.push(format!("{name} is not UTF-8")),
            }
        }
        env
    }

    /// Fixed values, for tests.
    pub fn of(values: &[(&str, &str)]) -> Self {
        let values = values.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Self { values, faults: Vec::new() }
    }

    /// Adds what a `.env` file says.
    pub(super) fn read_file(&mut self, bytes: &[u8]) {
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.faults.push("the file .env is not UTF-8".to_owned());
            return;
        };
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            match assignment(line) {
                Ok(Some((name, value))) => {
                    self.values.insert(name.to_owned(), value.to_owned());
                }
                Ok(None) => {}
                // The line itself may hold a secret.
                Err(why) => self.faults.push(format!("line {} of the file .env {why}", number + 1)),
            }
        }
    }

    /// What could not be read at all.
    pub(super) fn faults(&self) -> Vec<String> {
        self.faults.clone()
    }

    /// A value that is there and not blank.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The parts of a comma-separated value.
    pub(super) fn list<'a>(&'a self, name: &str, default: &'static str) -> impl Iterator<Item = &'a str> {
        self.get(name).unwrap_or(default).split(',').map(str::trim).filter(|part| !part.is_empty())
    }

    /// A whole number within bounds.
    pub(super) fn number(
        &self,
        name: &str,
        default: u64,
        bounds: RangeInclusive<u64>,
        faults: &mut Vec<String>,
    ) -> u64 {
        let Some(text) = self.get(name) else { return default };
        match text.parse::<u64>().ok().filter(|number| bounds.contains(number)) {
            Some(number) => number,
            None => {
                let (least, most) = (bounds.start(), bounds.end());
                faults.push(format!("{name} is {text:?}; it must be a whole number between {least} and {most}"));
                default
            }
        }
    }

    /// An address of the web, without a trailing slash.
    pub(super) fn address(&self, name: &str, example: &str, faults: &mut Vec<String>) -> Option<String> {
        let text = self.get(name)?;
        let fits = reqwest::Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
        });
        if !fits {
            faults.push(format!("{name} must be an http:// or https:// address such as {example}"));
        }
        Some(text.trim_end_matches('/').to_owned())
    }
}

/// Reads a line: `NAME=value`, `export NAME="value"`, a comment, or nothing.
fn assignment(line: &str) -> Result<Option<(&str, &str)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, value) = line.split_once('=').ok_or("is no NAME=value")?;
    let name = name.trim();
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err("has a name of other characters than letters, digits and _");
    }
    let value = value.trim();
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        // A comment begins after a blank, as a password may hold a #.
        let end = value.find(" #").or_else(|| value.find("\t#")).unwrap_or(value.len());
        return Ok(Some((name, value[..end].trim_end())));
    };
    let (inside, rest) = value[1..].split_once(quote).ok_or("has a quote that is not closed")?;
    let rest = rest.trim_start();
    if !rest.is_empty() && !rest.starts_with('#') {
        return Err("goes on after its closing quote");
    }
    Ok(Some((name, inside)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_line_by_line() {
        let mut env = Env::default();
        env.read_file(
            "\u{feff}# a comment\r\n\nLISTEN=0.0.0.0:1\nexport LOG = debug # loud\nADMIN_PASSWORD=\"a #b\" # said\n\
             REDIS_PREFIX='x y'\nJWT_SECRET=a#b=c\nDATA_DIR=\n"
                .as_bytes(),
        );
        assert_eq!(env.faults(), [""; 0]);
        let read = ["LISTEN", "LOG", "ADMIN_PASSWORD", "REDIS_PREFIX", "JWT_SECRET"].map(|name| env.get(name));
        assert_eq!(read, [Some("0.0.0.0:1"), Some("debug"), Some("a #b"), Some("x y"), Some("a#b=c")]);
        assert_eq!(env.get("DATA_DIR"), None, "nothing means the default");
    }

    #[test]
    fn lines_that_mean_nothing_are_named_without_their_text() {
        for line in ["sk-secret", "=sk-secret", "A B=sk-secret", "A=\"sk-secret", "A='sk-secret' x"] {
            let mut env = Env::default();
            env.read_file(format!("LOG=info\n{line}\n").as_bytes());
            let faults = env.faults();
            assert_eq!(faults.len(), 1, "{line}");
            assert!(faults[0].starts_with("line 2 of the file .env "), "{faults:?}");
            assert!(!faults[0].contains("secret"), "{faults:?}");
        }
        let mut env = Env::default();
        env.read_file(b"LOG=\xff");
        assert_eq!(env.faults(), ["the file .env is not UTF-8"]);
    }
}
