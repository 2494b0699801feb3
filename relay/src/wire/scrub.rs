//! Takes out of a vendor's error what names the account: its secrets, its address, its organisation.
//!
//! Vendors echo keys ("Incorrect API key provided: sk-…"), gateways echo the address behind them, clouds
//! echo account numbers. None of it is the client's to see.

use bytes::Bytes;

const MASK: &str = "***";
/// Shorter secrets would mask ordinary words; no vendor issues them.
const SHORTEST_SECRET: usize = 6;

/// Beginnings of tokens that are masked wherever they stand, with the shortest tail that makes a token.
const TOKENS: &[(&str, usize)] = &[
    ("sk-", 8),
    ("sk_", 8),
    ("AIza", 16),
    ("ya29.", 8),
    ("1//", 20),
    ("ABSK", 16),
    ("AKIA", 12),
    ("ASIA", 12),
    ("xai-", 8),
    ("gsk_", 8),
    ("r8_", 8),
    ("pplx-", 8),
    ("eyJ", 16),
    ("arn:aws", 4),
    ("org-", 8),
    ("proj_", 8),
    ("projects/", 4),
    ("project_number:", 4),
    ("acct_", 8),
];

/// What must not be seen of one account.
#[derive(Clone, Debug, Default)]
pub struct Hidden {
    /// Longest first, so that no part of a longer one is left over.
    literals: Vec<String>,
}

impl Hidden {
    /// Hides the account's secrets and the addresses it is reached at, with their hosts.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>, addresses: impl IntoIterator<Item = &'a str>) -> Self {
        let mut literals: Vec<String> =
            secrets.into_iter().filter(|secret| secret.len() >= SHORTEST_SECRET).map(str::to_owned).collect();
        // A multi-line secret (a private key) can only come back in its JSON form.
        let escaped: Vec<String> = literals
            .iter()
            .map(|s| serde_json::Value::from(s.as_str()).to_string())
            .map(|s| s.trim_matches('"').to_owned())
            .collect();
        literals.extend(escaped);
        for address in addresses {
            let bare = address.trim_end_matches('/');
            literals.push(bare.to_owned());
            literals.push(bare.replace('/', "\\/"));
            if let Some(authority) =
                bare.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(rest))
            {
                let host = authority.rsplit('@').next().unwrap_or(authority);
                literals.push(host.to_owned());
                literals.push(host.split(':').next().unwrap_or(host).to_owned());
            }
        }
        literals.retain(|literal| literal.len() >= 4);
        literals.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        literals.dedup();
        Self { literals }
    }

    /// The body without what is hidden; the same bytes come back when there was nothing to hide.
    pub fn scrub(&self, body: &Bytes) -> Bytes {
        let Ok(text) = std::str::from_utf8(body) else {
            // A body that is not text could hide anything in any encoding: show nothing of it.
            return Bytes::from_static(MASK.as_bytes());
        };
        match self.scrub_text(text) {
            Some(clean) => clean.into(),
            None => body.clone(),
        }
    }

    /// The text without what is hidden, or `None` when there was nothing to hide.
    pub fn scrub_text(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut kept = 0;
        let mut at = 0;
        while at < text.len() {
            match self.hit(text, at) {
                Some(length) => {
                    out.push_str(text.get(kept..at).unwrap_or_default());
                    out.push_str(MASK);
                    at += length;
                    kept = at;
                }
                None => {
                    at += 1;
                    while !text.is_char_boundary(at) {
                        at += 1;
                    }
                }
            }
        }
        (kept > 0).then(|| out + text.get(kept..).unwrap_or_default())
    }

    /// The length of the hidden thing that begins at `at`.
    fn hit(&self, text: &str, at: usize) -> Option<usize> {
        let rest = text.get(at..)?;
        if let Some(literal) = self.literals.iter().find(|literal| starts_with_ignoring_case(rest, literal)) {
            return Some(literal.len());
        }
        let before = at.checked_sub(1).and_then(|before| text.as_bytes().get(before));
        if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)) {
            return None;
        }
        TOKENS.iter().find_map(|(start, shortest)| {
            let tail = rest.strip_prefix(start)?;
            let length = tail.bytes().take_while(|byte| is_token_byte(*byte)).count();
            (length >= *shortest).then_some(start.len() + length)
        })
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.*/+=:".contains(&byte)
}

fn starts_with_ignoring_case(text: &str, literal: &str) -> bool {
    text.as_bytes().get(..literal.len()).is_some_and(|head| head.eq_ignore_ascii_case(literal.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden() -> Hidden {
        Hidden::new(
            ["sk-ant-oat01-verysecret", "short", "-----BEGIN KEY-----\nabc\n"],
            ["https://user:pass@gateway.internal.example:8443/v1/"],
        )
    }

    #[test]
    fn secrets_addresses_and_tokens_disappear() {
        let cases = [
            (r#"{"m":"bad key sk-ant-oat01-verysecret"}"#, r#"{"m":"bad key ***"}"#),
            (
                "Incorrect API key provided: sk-proj-****************abcd. You can",
                "Incorrect API key provided: *** You can",
            ),
            (r#"{"key":"-----BEGIN KEY-----\nabc\n"}"#, r#"{"key":"***"}"#),
            ("cannot reach https://gateway.internal.example:8443/v1/messages", "cannot reach https://***/v1/messages"),
            ("lookup GATEWAY.internal.example: no such host", "lookup ***: no such host"),
            (r"https:\/\/user:pass@gateway.internal.example:8443\/v1 said", "*** said"),
            (
                "Rate limit reached for gpt-4 in organization org-abcdefgh1234 on tokens",
                "Rate limit reached for gpt-4 in organization *** on tokens",
            ),
            ("User: arn:aws:iam::123456789012:user/x is not authorized", "User: *** is not authorized"),
            ("consumer 'project_number:681255809395'", "consumer '***'"),
            ("key AIzaSyA1234567890abcdefghij expired", "key *** expired"),
            ("Bearer eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhIn0.sig", "Bearer ***"),
        ];
        for (text, wanted) in cases {
            assert_eq!(hidden().scrub_text(text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn ordinary_text_keeps_its_bytes() {
        for text in [
            "a task-management risk-free text",
            "max_tokens: 1 > 0",
            "日本語 short",
            "https://docs.example/errors",
            "model org-x not found",
            "",
        ] {
            assert_eq!(hidden().scrub_text(text), None, "{text}");
            let body = Bytes::copy_from_slice(text.as_bytes());
            assert_eq!(hidden().scrub(&body).as_ptr(), body.as_ptr());
        }
    }

    #[test]
    fn a_multibyte_neighbour_does_not_confuse_it() {
        assert_eq!(hidden().scrub_text("é日sk-ant-oat01-verysecret日").as_deref(), Some("é日***日"));
        assert_eq!(hidden().scrub(&Bytes::from_static(&[0xff, 0xfe])), "***");
    }
}
