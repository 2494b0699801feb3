//! Addresses of requests, from an account's base URL.

use super::Refusal;

/// `base + version + tail`, without the version where the base already ends in one (`…/v1`).
///
/// People paste both `https://api.openai.com` and `https://api.openai.com/v1`; both must work.
pub fn versioned(base: &str, version: &str, tail: &str) -> String {
    let base = base.trim_end_matches('/');
    if ends_in_version(base) { format!("{base}{tail}") } else { format!("{base}{version}{tail}") }
}

/// `base + version + tail`, also where the base already is the whole endpoint.
pub fn endpoint(base: &str, version: &str, tail: &str) -> String {
    let base = base.trim_end_matches('/');
    if base.ends_with(tail) { base.to_owned() } else { versioned(base, version, tail) }
}

fn ends_in_version(base: &str) -> bool {
    let path = base.split_once("://").map_or(base, |(_, rest)| rest);
    let Some((_, last)) = path.rsplit_once('/') else { return false };
    let mut bytes = last.bytes();
    bytes.next() == Some(b'v')
        && bytes.next().is_some_and(|b| b.is_ascii_digit())
        && bytes.all(|b| b.is_ascii_alphanumeric())
}

/// Adds a query to an address.
pub fn with_query(address: String, query: &str) -> String {
    if query.is_empty() {
        return address;
    }
    let join = if address.contains('?') { '&' } else { '?' };
    format!("{address}{join}{query}")
}

/// A client's own path, checked: it must not leave the place it is put behind.
pub fn tail(path: &str) -> Result<&str, Refusal> {
    let lower = path.to_ascii_lowercase();
    let begins = path.starts_with('/') || path.starts_with(':');
    let plain = path.bytes().all(|b| b.is_ascii_graphic() && !b"?#\\<>\"{}|^`".contains(&b));
    let dots = path.split('/').any(|segment| segment == ".." || segment == ".");
    let hidden = ["%2e", "%2f", "%5c", "%00", "//"].iter().any(|bad| lower.contains(bad));
    if begins && plain && !dots && !hidden {
        Ok(path)
    } else {
        Err(Refusal::unsupported("the path of this request is not valid"))
    }
}

/// The websocket form of an address.
pub fn socket(address: &str) -> String {
    match address.strip_prefix("http") {
        Some(rest) => format!("ws{rest}"),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_stands_once() {
        let cases = [
            ("https://api.openai.com", "https://api.openai.com/v1/models"),
            ("https://api.openai.com/", "https://api.openai.com/v1/models"),
            ("https://api.openai.com/v1/", "https://api.openai.com/v1/models"),
            ("https://h/api/paas/v4", "https://h/api/paas/v4/models"),
            ("https://h/v1beta", "https://h/v1beta/models"),
            ("https://h/vendor", "https://h/vendor/v1/models"),
            ("https://v1", "https://v1/v1/models"),
        ];
        for (base, wanted) in cases {
            assert_eq!(versioned(base, "/v1", "/models"), wanted);
        }
        assert_eq!(endpoint("http://h:3456/v1/messages/", "/v1", "/messages"), "http://h:3456/v1/messages");
        assert_eq!(endpoint("http://h:3456", "/v1", "/messages"), "http://h:3456/v1/messages");
        assert_eq!(socket("https://h/x"), "wss://h/x");
        assert_eq!(socket("http://h/x"), "ws://h/x");
        assert_eq!(with_query("http://h/x?a=1".into(), "b=2"), "http://h/x?a=1&b=2");
    }

    #[test]
    fn a_client_path_cannot_climb() {
        for good in
            ["/responses/resp_1", "/mj/task/17/fetch", ":loadCodeAssist", "/v1/videos/text2video/a-b_c~1.x", "/a%3Ab"]
        {
            assert_eq!(tail(good), Ok(good));
        }
        for bad in [
            "",
            "x",
            "/../x",
            "/a/..",
            "/a/%2e%2E/x",
            "/a//b",
            "//evil.example/x",
            "/a?b",
            "/a#b",
            "/a\\b",
            "/a b",
            "/a%2Fb",
            "/a\r\nb",
            "/é",
            "/./a",
        ] {
            assert!(tail(bad).is_err(), "{bad}");
        }
    }
}
