//! Words that prompts may not hold, where the operator keeps a list of them.

use std::borrow::Cow;

use aho_corasick::AhoCorasick;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::units::field;
use super::{Call, Content};

/// Members that hold files, addresses and seals: letters by chance, and no words of anybody.
const NO_PROSE: &[&str] = &[
    "audio",
    "b64_json",
    "base64",
    "base64Array",
    "bytes",
    "data",
    "encrypted_content",
    "file_data",
    "image",
    "image_tail",
    "image_url",
    "mask",
    "signature",
    "thoughtSignature",
    "thought_signature",
    "uri",
    "url",
];

/// What the caller is told.
pub fn sentence(word: &str) -> String {
    format!("The prompt holds words that are not passed on here: {word}.")
}

/// Forbidden words, all looked for at once and in whatever case.
#[derive(Clone, Debug)]
pub struct Words {
    words: Vec<String>,
    all: AhoCorasick,
}

impl Words {
    /// One word, or several that stand together, on a line; nothing where there is none.
    pub fn read(list: &str) -> Option<Self> {
        let words: Vec<String> =
            list.lines().map(|line| line.trim().to_lowercase()).filter(|word| !word.is_empty()).collect();
        if words.is_empty() {
            return None;
        }
        match AhoCorasick::builder().ascii_case_insensitive(true).build(&words) {
            Ok(all) => Some(Self { words, all }),
            Err(error) => {
                tracing::error!(%error, "the forbidden words cannot be looked for");
                None
            }
        }
    }

    /// The first forbidden word in what a call asks.
    pub fn find(&self, call: &Call) -> Option<&str> {
        match &call.content {
            Content::Json(body) => self.within(body.bytes()),
            Content::Raw(bytes) => self.search(field(call, bytes, "prompt")?),
            Content::Empty => None,
        }
    }

    /// The first one in any text of a JSON document, escaped or not.
    pub fn within(&self, json: &[u8]) -> Option<&str> {
        let mut found = None;
        let mut document = serde_json::Deserializer::from_slice(json);
        // The document was read before: what ends this early is a word.
        let _ended = Texts { words: self, found: &mut found }.deserialize(&mut document);
        found
    }

    fn search(&self, text: &str) -> Option<&str> {
        let text = if text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) };
        let hit = self.all.find(text.as_ref())?;
        self.words.get(hit.pattern().as_usize()).map(String::as_str)
    }
}

/// Walks a document, and ends at the first forbidden word.
struct Texts<'w, 'f> {
    words: &'w Words,
    found: &'f mut Option<&'w str>,
}

impl<'de> DeserializeSeed<'de> for Texts<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON document")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        *self.found = self.words.search(text);
        if self.found.is_some() { Err(E::custom("a forbidden word")) } else { Ok(()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Texts { words: self.words, found: self.found })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(name) = object.next_key::<Cow<'de, str>>()? {
            if NO_PROSE.contains(&name.as_ref()) {
                object.next_value::<IgnoredAny>()?;
            } else {
                object.next_value_seed(Texts { words: self.words, found: self.found })?;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn words_are_found_in_texts_alone_and_however_they_are_written() {
        let words = Words::read("  Secret Plan \n\n秘密\r\nÜBEL\n").unwrap();
        let find = |json: &str| words.within(json.as_bytes());
        assert_eq!(find(r#"{"messages":[{"role":"user","content":"the SECRET plan"}]}"#), Some("secret plan"));
        assert_eq!(find(r#"{"a":1,"b":[true,null,2.5,{"text":"\u79d8\u5bc6"}]}"#), Some("秘密"));
        assert_eq!(find(r#"{"text":"von übel"}"#), Some("übel"));
        assert_eq!(find(r#"{"text":"secret  plan, secretplan"}"#), None);
        assert_eq!(find(r#"{"secret plan":"a name is nobody's word"}"#), None);
        assert_eq!(find(r#"{"data":"秘密","image_url":{"url":"秘密"},"text":"-1"}"#), None);
        assert_eq!(find(r#"{"n":-1,"data":{"x":[1]},"text":"秘密"}"#), Some("秘密"), "what follows is read");
        assert!(Words::read(" \n\t\n").is_none());
    }
}
