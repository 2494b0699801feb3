//! Which pages may open a websocket: browsers let any page try, and send its origin along.

use http::{HeaderMap, header};

/// Whether the handshake comes from no page at all, from our own, or from one that was named.
pub fn allowed(headers: &HeaderMap, named: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    let origin = origin.trim_end_matches('/');
    let same = |host: &str| origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.is_some_and(same) || named.iter().any(|named| named.trim_end_matches('/').eq_ignore_ascii_case(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_and_named_ones() {
        let check = |origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "gate.example:8080".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            allowed(&headers, &["https://admin.example".to_owned()])
        };
        assert!(check(None));
        assert!(check(Some("http://gate.example:8080")));
        assert!(check(Some("https://admin.example")));
        assert!(!check(Some("https://gate.example")));
        assert!(!check(Some("https://evil.example")));
        assert!(!check(Some("null")));
        assert!(!check(Some("http://gate.example:8080.evil.example")));
    }
}
