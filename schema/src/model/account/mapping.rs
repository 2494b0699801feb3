//! From the model a client asks for to the one a vendor knows.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Renamings: the model asked for, or the beginning of its name and a `*`, and the model sent.
pub type Rules = BTreeMap<String, String>;

/// Follows an account's renamings from one rule to the next until none applies.
///
/// An exact rule goes before a pattern and a longer pattern before a shorter one. Where the right side ends
/// in `*` too, what the pattern left open is put there. A rule that maps a name to itself ends the chain, and
/// so does one that is met a second time: no such rules are saved, but a document may be edited by hand.
pub fn resolve<'a>(rules: &'a Rules, asked: &'a str) -> Cow<'a, str> {
    follow(rules, asked).0
}

/// A rule from which a chain goes round in a circle.
pub fn circle(rules: &Rules) -> Option<&str> {
    rules.keys().find_map(|from| follow(rules, from.trim_end_matches('*')).1)
}

/// Whether a rule speaks of a model.
pub fn applies(rules: &Rules, asked: &str) -> bool {
    step(rules, asked).is_some()
}

/// Where a chain ends, and the rule at which it began anew.
fn follow<'a>(rules: &'a Rules, asked: &'a str) -> (Cow<'a, str>, Option<&'a str>) {
    let mut name = Cow::Borrowed(asked);
    let mut used = BTreeSet::new();
    while let Some((rule, next)) = step(rules, &name) {
        if next == name {
            break;
        }
        if !used.insert(rule) {
            return (name, Some(rule));
        }
        name = next;
    }
    (name, None)
}

fn step<'a>(rules: &'a Rules, name: &str) -> Option<(&'a str, Cow<'a, str>)> {
    if rules.is_empty() {
        return None;
    }
    if let Some((from, to)) = rules.get_key_value(name) {
        return Some((from, Cow::Borrowed(to)));
    }
    let (from, to, open) = rules
        .iter()
        .filter_map(|(from, to)| Some((from, to, name.strip_prefix(from.strip_suffix('*')?)?)))
        .min_by_key(|(.., open)| open.len())?;
    let sent = match to.strip_suffix('*') {
        Some(start) => Cow::Owned(format!("{start}{open}")),
        None => Cow::Borrowed(to.as_str()),
    };
    Some((from, sent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(pairs: &[(&str, &str)]) -> Rules {
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
            assert_eq!(resolve(&map, asked), wanted, "{asked}");
        }
        assert_eq!(circle(&map), None);
        assert!(applies(&map, "a") && applies(&map, "claude-x") && !applies(&map, "z"));
        assert_eq!(resolve(&Rules::new(), "x"), "x");
        let longer = rules(&[("*", "all"), ("a*", "as")]);
        assert_eq!(resolve(&longer, "ab"), "as", "the longer pattern holds, then maps to itself");
    }

    #[test]
    fn circles_are_found_and_end_all_the_same() {
        for map in [
            &[("a", "b"), ("b", "a")][..],
            &[("a", "b"), ("b", "c"), ("c", "b")],
            &[("gpt-*", "x"), ("x", "gpt-4")],
            &[("a*", "aa*")],
        ] {
            let map = rules(map);
            assert!(circle(&map).is_some(), "{map:?}");
            assert!(!resolve(&map, "a").is_empty());
        }
        assert_eq!(resolve(&rules(&[("a", "b"), ("b", "a")]), "c"), "c");
    }
}
