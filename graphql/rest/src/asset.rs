//! Embedded files as they are sent: zipped to who takes it, not again to who has them, under a policy.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// Asked for again each time, and usually unchanged.
pub const REVALIDATED: &str = "no-cache";
/// Named by its content, so never another.
pub const KEPT: &str = "public, max-age=31536000, immutable";

/// A file.
pub struct Asset {
    pub kind: &'static str,
    /// Its bytes, zipped; few take them otherwise.
    pub gzip: Bytes,
    pub tag: HeaderValue,
    /// How long it may be kept: [`REVALIDATED`] or [`KEPT`].
    pub keep: &'static str,
}

impl Asset {
    /// A file made at run time.
    pub fn of(kind: &'static str, plain: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        plain.hash(&mut hasher);
        let tag = HeaderValue::from_str(&format!("\"{:016x}\"", hasher.finish()));
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail; if it did, the file would be told to be damaged.
        let gzip = gzip.write_all(plain).and_then(|()| gzip.finish()).map(Bytes::from).unwrap_or_default();
        Self { kind, gzip, tag: tag.unwrap_or_else(|_| HeaderValue::from_static("\"0\"")), keep: REVALIDATED }
    }

    /// The file, for a request with these headers.
    pub fn send(&self, asked: &HeaderMap, policy: &'static str) -> Response {
        let known = lines(asked, header::IF_NONE_MATCH)
            .any(|tag| tag.trim().trim_start_matches("W/").as_bytes() == self.tag.as_bytes());
        let zipped = !known && takes_gzip(asked);
        let mut response = if known {
            StatusCode::NOT_MODIFIED.into_response()
        } else if zipped {
            (self.headers(), self.gzip.clone()).into_response()
        } else {
            match unzip(&self.gzip) {
                Ok(plain) => (self.headers(), plain).into_response(),
                Err(error) => {
                    tracing::error!(kind = self.kind, %error, "an embedded file cannot be unpacked");
                    return guarded((StatusCode::INTERNAL_SERVER_ERROR, "The file is damaged."), policy);
                }
            }
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(self.keep));
        headers.insert(header::ETAG, self.tag.clone());
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if zipped {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        guarded(response, policy)
    }

    fn headers(&self) -> [(HeaderName, &'static str); 1] {
        [(header::CONTENT_TYPE, self.kind)]
    }
}

/// An answer with a policy on it. Workers take theirs from their own script's answer, so every file carries it.
pub fn guarded(response: impl IntoResponse, policy: &'static str) -> Response {
    let mut response = response.into_response();
    for (name, value) in [
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn lines(asked: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    asked.get_all(name).into_iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','))
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    lines(asked, header::ACCEPT_ENCODING).any(|coding| {
        let mut pieces = coding.split(';').map(str::trim);
        let named = matches!(pieces.next(), Some("gzip" | "*"));
        named && !pieces.any(|piece| matches!(piece, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// The bytes themselves.
pub fn unzip(gzip: &[u8]) -> std::io::Result<Bytes> {
    let mut plain = Vec::new();
    GzDecoder::new(gzip).read_to_end(&mut plain)?;
    Ok(plain.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn files_come_zipped_to_those_who_take_it_and_not_twice() {
        let file = Asset::of("text/plain", b"hello");
        assert_eq!(unzip(&file.gzip).unwrap(), "hello");
        let zipped = file.send(&asked(&[("accept-encoding", "br, gzip;q=0.8")]), "default-src 'none'");
        assert_eq!(zipped.headers()["content-encoding"], "gzip");
        assert_eq!(zipped.headers()["content-security-policy"], "default-src 'none'");
        for plain in [asked(&[("accept-encoding", "gzip;q=0")]), asked(&[])] {
            let plain = file.send(&plain, "default-src 'none'");
            assert!(!plain.headers().contains_key("content-encoding"));
            assert_eq!(plain.headers()["content-type"], "text/plain");
        }
        let mut again = HeaderMap::new();
        again.insert("if-none-match", file.tag.clone());
        let again = file.send(&again, "default-src 'none'");
        assert_eq!((again.status(), &again.headers()["etag"]), (StatusCode::NOT_MODIFIED, &file.tag));
        let damaged = Asset { gzip: Bytes::from_static(b"no gzip"), ..file };
        assert_eq!(damaged.send(&asked(&[]), "default-src 'none'").status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
