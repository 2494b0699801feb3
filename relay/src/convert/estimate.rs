//! A cheap guess at token counts, for calls whose vendor reported none. Never used when a real figure exists,
//! and everything made from it is marked as estimated.
//!
//! The guess follows the usual byte-pair vocabularies: four ASCII characters a token, one token for a
//! character of the wide scripts. It counts bytes and builds no vocabulary, so a large prompt costs microseconds.

use memchr::memmem;

/// What an inline image or document counts for when only its base64 text is at hand.
const MEDIA_TOKENS: u64 = 1_000;

/// A running count of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    ascii: u64,
    wide: u64,
    media: u64,
}

impl Tally {
    /// Adds plain text.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Adds the inside of a JSON string, whose escapes stand for one character each.
    pub fn json_text(&mut self, escaped: &[u8]) {
        self.bytes(escaped);
        if memchr::memchr(b'\\', escaped).is_some() {
            let unicode = memmem::find_iter(escaped, b"\\u").count() as u64;
            self.ascii = self.ascii.saturating_sub(unicode * 6);
            self.wide += unicode;
        }
    }

    /// The tokens this much text may be.
    pub fn tokens(&self) -> u64 {
        self.ascii.div_ceil(4) + self.wide + self.media * MEDIA_TOKENS
    }

    /// Whether nothing was added yet.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let (mut wide, mut leads) = (0, 0);
        // Sums of a byte's width are what processors add many of at a time.
        for part in bytes.chunks(255) {
            let (mut w, mut l) = (0u8, 0u8);
            for byte in part {
                w += byte >> 7;
                l += u8::from(*byte >= 0xC0);
            }
            wide += u64::from(w);
            leads += u64::from(l);
        }
        self.ascii += bytes.len() as u64 - wide;
        self.wide += leads;
    }
}

/// The tokens of a text.
pub fn text_tokens(text: &str) -> u64 {
    let mut tally = Tally::default();
    tally.text(text);
    tally.tokens()
}

/// The input tokens of a JSON request body of any dialect. Inline media are left out of the text and counted flat.
pub fn body_tokens(body: &[u8]) -> u64 {
    let mut tally = Tally::default();
    let mut from = 0;
    while let Some((start, end)) = next_media(body, from) {
        tally.json_text(body.get(from..start).unwrap_or_default());
        tally.media += 1;
        from = end;
    }
    tally.json_text(body.get(from..).unwrap_or_default());
    tally.tokens()
}

/// The next long base64 string at or after `from`: a data URL, or a `"data":"…"` member.
fn next_media(body: &[u8], from: usize) -> Option<(usize, usize)> {
    const SHORT: usize = 256;
    let mut at = from;
    loop {
        let rest = body.get(at..)?;
        let url = memmem::find(rest, b";base64,").map(|i| at + i + 8);
        let member = memmem::find(rest, b"\"data\"").map(|i| at + i + 6);
        let start = match (url, member) {
            (Some(url), Some(member)) => url.min(member),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return None,
        };
        let tail = body.get(start..)?;
        let lead = tail.iter().take_while(|b| matches!(b, b' ' | b':' | b'"')).count();
        let start = start + lead;
        let tail = body.get(start..)?;
        let end = start + memchr::memchr(b'"', tail)?;
        if end - start > SHORT {
            return Some((start, end));
        }
        at = end.max(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latin_and_wide_text() {
        assert_eq!(text_tokens(""), 0);
        assert_eq!(text_tokens("hello world!"), 3);
        assert_eq!(text_tokens("漢字"), 2);
        let mut escaped = Tally::default();
        escaped.json_text(b"\\u6f22\\u5b57");
        assert_eq!(escaped.tokens(), 2);
    }

    #[test]
    fn inline_media_count_flat() {
        let image = "A".repeat(400_000);
        let plain = body_tokens(br#"{"model":"m","messages":[{"content":""}]}"#);
        let url = body_tokens(
            format!(r#"{{"model":"m","messages":[{{"content":"data:image/png;base64,{image}"}}]}}"#).as_bytes(),
        );
        assert!((1_000..1_000 + plain + 20).contains(&url), "{url}");
        let member = body_tokens(format!(r#"{{"source":{{"data": "{image}"}},"x":{{"data":"short"}}}}"#).as_bytes());
        assert!((1_000..1_020).contains(&member), "{member}");
    }
}
