//! A letter and its wire form: headers in ASCII, the text in base64, so that no byte of it can be taken for a command.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;

use crate::clock::Time;

/// A letter of plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The sender's address.
    pub from: String,
    /// The sender's name as it is shown; may be empty.
    pub name: String,
    /// Who is written to.
    pub to: Vec<String>,
    pub subject: String,
    pub text: String,
    pub at: Time,
}

impl Letter {
    /// The letter as the server takes it, each line ended by CR LF.
    pub(super) fn wire(&self) -> String {
        let date = Timestamp::from_millisecond(self.at.0).unwrap_or(Timestamp::UNIX_EPOCH);
        let domain = self.from.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
        let from =
            if self.name.is_empty() { self.from.clone() } else { format!("{} <{}>", word(&self.name), self.from) };
        let mut out = format!(
            "From: {from}\r\nTo: {}\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: <{}@{domain}>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\
             Auto-Submitted: auto-generated\r\n\r\n",
            self.to.join(",\r\n "),
            word(&self.subject),
            date.strftime("%a, %d %b %Y %H:%M:%S +0000"),
            crate::id::uuid(),
        );
        let text = self.text.replace("\r\n", "\n").replace('\n', "\r\n");
        let encoded = BASE64_STANDARD.encode(text);
        for line in encoded.as_bytes().chunks(76) {
            out.extend(line.iter().map(|b| char::from(*b)));
            out.push_str("\r\n");
        }
        out
    }
}

/// Text in a header: as encoded words of at most 75 characters, cut between characters.
fn word(text: &str) -> String {
    /// As many bytes as fill a word's 63 characters of base64.
    const MOST: usize = 45;
    let mut words = Vec::new();
    let mut part = String::new();
    let encoded = |part: &str| format!("=?utf-8?B?{}?=", BASE64_STANDARD.encode(part));
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if part.len() + c.len_utf8() > MOST {
            words.push(encoded(&part));
            part.clear();
        }
        part.push(c);
    }
    words.push(encoded(&part));
    words.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            from: "robot@example.com".into(),
            name: "收费站".into(),
            to: vec!["ann@example.com".into(), "bob@example.com".into()],
            subject: "Your code\r\nBcc: all@example.com".into(),
            text: ".\r\nQUIT\n验证码".into(),
            at: Time(1_772_359_200_000),
        }
    }

    #[test]
    fn nothing_in_a_letter_can_pass_for_a_header_or_a_command() {
        let wire = letter().wire();
        let (head, body) = wire.split_once("\r\n\r\n").expect("a head and a body");
        assert!(!head.contains("Bcc"), "{head}");
        assert!(head.contains("Date: Sun, 01 Mar 2026 10:00:00 +0000"), "{head}");
        assert!(head.contains("To: ann@example.com,\r\n bob@example.com"), "{head}");
        assert!(head.contains("From: =?utf-8?B?"), "{head}");
        assert!(wire.is_ascii() && !wire.replace("\r\n", "").contains(['\r', '\n']));
        assert!(wire.lines().all(|line| line.len() <= 998 && !line.starts_with('.')));
        let text = BASE64_STANDARD.decode(body.replace("\r\n", "")).expect("base64");
        assert_eq!(String::from_utf8(text).expect("text"), ".\r\nQUIT\r\n验证码");
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        let long = word(&"字".repeat(40));
        let read: String = long
            .split("\r\n ")
            .map(|part| {
                assert!(part.len() <= 75, "{part}");
                let inner = part.strip_prefix("=?utf-8?B?").and_then(|p| p.strip_suffix("?=")).expect("a word");
                String::from_utf8(BASE64_STANDARD.decode(inner).expect("base64")).expect("whole characters")
            })
            .collect();
        assert_eq!(read, "字".repeat(40));
    }
}
