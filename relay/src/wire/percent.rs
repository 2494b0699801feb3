//! Percent-encoding, strict (RFC 3986 unreserved characters only), and what is built from it.

/// Encodes everything but `A-Z a-z 0-9 - _ . ~`; fit for one path segment or one query value.
pub fn encode(text: &str) -> String {
    encode_keeping(text.as_bytes(), b"")
}

/// Like [`encode`], but leaves the bytes of `keep` as they are.
pub fn encode_keeping(text: &[u8], keep: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len() + 8);
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || keep.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

/// Undoes percent-encoding; a stray `%` stays as it is, `plus` says whether `+` means a space.
pub fn decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |offset: usize| bytes.get(at + offset).and_then(|b| char::from(*b).to_digit(16));
        match (bytes[at], hex(1), hex(2)) {
            (b'%', Some(high), Some(low)) => {
                // Two hexadecimal digits are at most 255.
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                at += 3;
            }
            (b'+', ..) if plus => {
                out.push(b' ');
                at += 1;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A query or form body of name-value pairs.
pub fn form(fields: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (name, value) in fields {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(&encode(name));
        out.push('=');
        out.push_str(&encode(value));
    }
    out
}

/// The decoded value of the first parameter of that name in a query string.
pub fn query_value(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key, true) == name).then(|| decode(value, true))
    })
}

/// A query string without the named parameters; the rest keeps its bytes and order.
pub fn query_without(query: &str, names: &[&str]) -> String {
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| {
            let key = pair.split_once('=').map_or(*pair, |(key, _)| key);
            !pair.is_empty() && !names.contains(&decode(key, true).as_str())
        })
        .collect();
    kept.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_strictly_and_decodes_back() {
        let text = "a b/c:d+e%f~é";
        assert_eq!(encode(text), "a%20b%2Fc%3Ad%2Be%25f~%C3%A9");
        assert_eq!(decode(&encode(text), false), text);
        assert_eq!(decode("a+b%2", true), "a b%2");
    }

    #[test]
    fn a_query_loses_the_named_parameters_only() {
        assert_eq!(query_without("key=abc&alt=sse&%6bey=x&beta=true", &["key"]), "alt=sse&beta=true");
        assert_eq!(query_value("a=1&code=x%2By&code=2", "code").as_deref(), Some("x+y"));
        assert_eq!(query_value("a=1", "code"), None);
    }
}
