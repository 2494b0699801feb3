//! From the model a client asks for to the one a vendor knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A chain of renamings that never ends, found at its rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// The rule's left side.
    pub rule: String,
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the model mapping goes round in a circle at \"{}\"", self.rule)
    }
}

impl std::error::Error for Cycle {}

/// Follows an account's renamings from one rule to the next until none applies.
///
/// A left side may end in `*`; an exact rule goes before a pattern and a longer pattern before a shorter
/// one. Where the right side ends in `*` too, what the pattern left open is put there. A rule that is met
/// a second time makes a cycle; one that maps a name to itself just ends the chain.
pub fn resolve(rules: &BTreeMap<String, String>, asked: &str) -> Result<String, Cycle> {
    let mut name = asked.to_owned();
    let mut used = BTreeSet::new();
    while let Some((rule, next)) = step(rules, &name) {
        if next == name {
            break;
        }
        if !used.insert(rule) {
            return Err(Cycle { rule: rule.to_owned() });
        }
        name = next;
    }
    Ok(name)
}

/// Whether the renamings can be saved: no chain that begins at one of them goes round in a circle.
pub fn check(rules: &BTreeMap<String, String>) -> Result<(), Cycle> {
    for from in rules.keys() {
        resolve(rules, from.trim_end_matches('*'))?;
    }
    Ok(())
}

fn step<'a>(rules: &'a BTreeMap<String, String>, name: &str) -> Option<(&'a str, String)> {
    if let Some((from, to)) = rules.get_key_value(name) {
        return Some((from, to.clone()));
    }
    let (from, to, open) = rules
        .iter()
        .filter_map(|(from, to)| Some((from, to, name.strip_prefix(from.strip_suffix('*')?)?)))
        .min_by_key(|(.., open)| open.len())?;
    Some((from, to.strip_suffix('*').map_or_else(|| to.clone(), |start| format!("{start}{open}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
    }

    #[test]
    fn chains_are_followed_to_their_end() {
        let map = rules(&[
            ("a", "b"),
            ("b", "c"),
            ("gpt-4o*", "gpt-4o-2024"),
            ("gpt-4o-mini", "mini"),
            ("claude-*", "anthropic/claude-*"),
            ("self", "self"),
        ]);
        for (asked, wanted) in [
            ("a", "c"),
            ("b", "c"),
            ("z", "z"),
            ("gpt-4o-audio", "gpt-4o-2024"),
            ("gpt-4o-2024", "gpt-4o-2024"),
            ("gpt-4o-mini", "mini"),
            ("claude-opus-4", "anthropic/claude-opus-4"),
            ("self", "self"),
            ("*", "*"),
        ] {
            assert_eq!(resolve(&map, asked).as_deref(), Ok(wanted), "{asked}");
        }
        assert_eq!(check(&map), Ok(()));
        assert_eq!(resolve(&BTreeMap::new(), "x").as_deref(), Ok("x"));
        assert_eq!(
            resolve(&rules(&[("*", "all"), ("a*", "as")]), "ab").as_deref(),
            Ok("as"),
            "the longer pattern holds, then maps to itself"
        );
    }

    #[test]
    fn circles_are_found() {
        for map in [
            &[("a", "b"), ("b", "a")][..],
            &[("a", "b"), ("b", "c"), ("c", "b")],
            &[("gpt-*", "x"), ("x", "gpt-4")],
            &[("a*", "aa*")],
        ] {
            assert!(check(&rules(map)).is_err(), "{map:?}");
        }
        assert_eq!(resolve(&rules(&[("a", "b"), ("b", "a")]), "a"), Err(Cycle { rule: "a".into() }));
        assert_eq!(resolve(&rules(&[("a", "b"), ("b", "a")]), "c").as_deref(), Ok("c"));
    }
}
