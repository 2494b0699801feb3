//! How sealed thoughts travel through a client of another dialect and find their vendor again.
//!
//! A client sends thoughts back as it got them. If the client's dialect is not the vendor's, the seal is packed
//! with its origin into whatever field the client's dialect has for seals; on the way back it is unpacked, and
//! a target gets only seals of its own making.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Dialect;
use super::hub::{Part, Signature, Text, Thinking, ToolUse};

/// The most tokens that thoughts and answer have together where the caller limits neither; every model of Anthropic's
/// that thinks may produce as many.
pub(crate) const MOST_TOGETHER: u64 = 32_000;

const MARK: &str = "relay:";

/// What stands for the id of a seal on a thought that Anthropic shows nobody: it comes back in another kind of
/// block than a visible one, even if the visible one's words were left out.
const HIDDEN: &str = "redacted";

impl Signature {
    /// The data of a thought that Anthropic shows nobody.
    pub fn hidden(data: String) -> Self {
        Self { origin: Dialect::Messages, value: data, id: Some(HIDDEN.to_owned()) }
    }

    /// Whether this is the data of a thought that Anthropic shows nobody.
    pub fn is_hidden(&self) -> bool {
        self.origin == Dialect::Messages && self.id.as_deref() == Some(HIDDEN)
    }

    /// A seal as the carrying dialect's field holds it.
    pub fn carry(&self, carrier: Dialect) -> String {
        if self.origin == carrier && !self.is_hidden() {
            return self.value.clone();
        }
        let id = self.id.as_deref().unwrap_or_default();
        let packed = format!("{MARK}{}:{id}:{}", self.origin.word(), self.value);
        // Google's clients decode and encode this field, so it must be base64.
        if carrier == Dialect::Gemini { STANDARD.encode(packed) } else { packed }
    }

    /// A seal out of the carrying dialect's field.
    pub fn carried(carrier: Dialect, text: &str) -> Self {
        let own = || Self { origin: carrier, value: text.to_owned(), id: None };
        let decoded;
        let packed = if carrier == Dialect::Gemini {
            let standard = text.replace('-', "+").replace('_', "/");
            decoded =
                STANDARD.decode(standard).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
            decoded.as_str()
        } else {
            text
        };
        let unpack = || {
            let (word, rest) = packed.strip_prefix(MARK)?.split_once(':')?;
            let (id, value) = rest.split_once(':')?;
            let id = (!id.is_empty()).then(|| id.to_owned());
            Some(Self { origin: Dialect::from_word(word)?, value: value.to_owned(), id })
        };
        unpack().unwrap_or_else(own)
    }
}

/// Moves seals that sit on words and tool calls into thoughts of their own before them, for dialects that know
/// seals only on thoughts.
pub(crate) fn apart(parts: Vec<Part>) -> Vec<Part> {
    let mut out = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Text(Text { signature: Some(seal), text, cache, citations }) => {
                out.push(sealed(seal));
                out.push(Part::Text(Text { text, cache, citations, signature: None }));
            }
            Part::ToolUse(ToolUse { signature: Some(seal), id, name, args, custom }) => {
                out.push(sealed(seal));
                out.push(Part::ToolUse(ToolUse { id, name, args, custom, signature: None }));
            }
            other => out.push(other),
        }
    }
    out
}

/// Neighbouring words are one text and neighbouring thoughts are one thought, up to the seal that ends them: for
/// dialects that cut their answers anywhere and get them back in those pieces.
pub(crate) fn joined(parts: Vec<Part>) -> Vec<Part> {
    let mut out: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        match (out.last_mut(), part) {
            (Some(Part::Text(before)), Part::Text(text)) if before.signature.is_none() && before.cache.is_none() => {
                before.text.push_str(&text.text);
                before.citations.extend(text.citations);
                before.signature = text.signature;
                before.cache = text.cache;
            }
            (Some(Part::Thinking(before)), Part::Thinking(thought))
                if before.signature.is_none() && !thought.signature.as_ref().is_some_and(Signature::is_hidden) =>
            {
                before.text.push_str(&thought.text);
                before.signature = thought.signature;
            }
            (_, part) => out.push(part),
        }
    }
    out
}

/// A thought that consists of its seal.
pub(crate) fn sealed(seal: Signature) -> Part {
    Part::Thinking(Thinking { text: String::new(), signature: Some(seal), redacted: true })
}

/// How many tokens of thinking an effort word stands for, where a vendor counts them.
pub(super) fn budget_of_effort(effort: &str) -> u64 {
    match effort {
        "minimal" => 1_024,
        "low" => 2_048,
        "medium" => 8_192,
        "high" => 24_576,
        _ => 32_768,
    }
}

/// The effort word nearest to a budget.
pub(super) fn effort_of_budget(budget: u64) -> &'static str {
    match budget {
        0..=1_024 => "minimal",
        1_025..=4_096 => "low",
        4_097..=16_384 => "medium",
        _ => "high",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_comes_home_through_any_carrier() {
        for origin in [Dialect::Chat, Dialect::Messages, Dialect::Gemini, Dialect::Responses] {
            let seal = Signature { origin, value: "EqQB/+a==".to_owned(), id: None };
            for carrier in [Dialect::Chat, Dialect::Messages, Dialect::Gemini, Dialect::Responses] {
                assert_eq!(Signature::carried(carrier, &seal.carry(carrier)), seal, "{origin:?} in {carrier:?}");
            }
        }
        let item = Signature { origin: Dialect::Responses, value: "gAAA".to_owned(), id: Some("rs_1".to_owned()) };
        assert_eq!(Signature::carried(Dialect::Messages, &item.carry(Dialect::Messages)), item);
    }

    #[test]
    fn pieces_are_joined_up_to_their_seal() {
        let thought = |text: &str, seal: Option<Signature>| {
            Part::Thinking(Thinking { text: text.to_owned(), redacted: text.is_empty(), signature: seal })
        };
        let seal = || Some(Signature { origin: Dialect::Messages, value: "S".to_owned(), id: None });
        let hidden = || Some(Signature::hidden("R".to_owned()));
        let pieces = vec![
            thought("Thi", None),
            thought("nk.", None),
            thought("", seal()),
            thought("", hidden()),
            Part::text("a"),
            Part::text("b"),
        ];
        let Some(Part::Thinking(first)) = joined(pieces.clone()).into_iter().next() else {
            panic!("a thought comes first");
        };
        assert_eq!((first.text.as_str(), first.signature), ("Think.", seal()));
        assert_eq!(joined(pieces).get(1..), Some([thought("", hidden()), Part::text("ab")].as_slice()));
    }

    #[test]
    fn a_gemini_carrier_is_valid_base64() {
        let seal = Signature { origin: Dialect::Messages, value: "x".to_owned(), id: None };
        assert!(STANDARD.decode(seal.carry(Dialect::Gemini)).is_ok());
    }
}
