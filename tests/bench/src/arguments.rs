//! Command lines of the form `--name value`, `--flag` and bare words.

use std::str::FromStr;

/// What a command line says.
pub(crate) struct Arguments {
    named: Vec<(String, String)>,
    bare: Vec<String>,
}

const FLAGS: [&str; 2] = ["stream", "json"];

impl Arguments {
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let mut arguments = Arguments { named: Vec::new(), bare: Vec::new() };
        while let Some(word) = words.next() {
            let Some(name) = word.strip_prefix("--") else {
                arguments.bare.push(word);
                continue;
            };
            let value = if FLAGS.contains(&name) { Some(String::new()) } else { words.next() };
            let value = value.ok_or_else(|| format!("--{name} needs a value"))?;
            arguments.named.push((name.to_owned(), value));
        }
        Ok(arguments)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.named.iter().rev().find(|(there, _)| there == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.named.iter().filter(move |(there, _)| there == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn or<T: FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        match self.text(name) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| format!("--{name}: `{value}` is not what belongs there")),
        }
    }

    pub(crate) fn bare(&self) -> &[String] {
        &self.bare
    }
}
