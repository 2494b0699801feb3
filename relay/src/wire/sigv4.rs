//! AWS Signature Version 4 over headers, as every service but S3 wants it.
//!
//! The path is taken as it goes over the wire and encoded once more (`%3A` becomes `%253A`, a literal
//! `:` becomes `%3A`); a prefix of a custom endpoint is part of it.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderValue, Method, Uri, header};
use ring::{digest, hmac};

use super::{WireError, percent};

/// Credentials as AWS hands them out.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    /// `AKIA…` or, for temporary credentials, `ASIA…`.
    pub access_key_id: &'a str,
    /// The secret; it never leaves this module.
    pub secret_access_key: &'a str,
    /// Goes with temporary credentials and is signed as `x-amz-security-token`.
    pub session_token: Option<&'a str>,
}

/// Where and when a signature holds.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The region, for example `us-east-1`.
    pub region: &'a str,
    /// The service, for example `bedrock`.
    pub service: &'a str,
    /// Now, in epoch milliseconds.
    pub now: i64,
}

/// Signs a request: adds `x-amz-date`, `x-amz-security-token` and `authorization` to `headers`.
///
/// Every header that is in the map is signed along with the host, so what a hop on the way may change
/// is added after signing.
pub fn sign(
    method: &Method,
    uri: &Uri,
    headers: &mut HeaderMap,
    body: &[u8],
    keys: Keys<'_>,
    scope: Scope<'_>,
) -> Result<(), WireError> {
    let stamp = jiff::Timestamp::from_millisecond(scope.now)
        .map_err(|_| WireError::Key("the time to sign is out of range"))?
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let day = stamp.get(..8).unwrap_or_default();
    let value = |text: &str| {
        HeaderValue::from_str(text)
            .map_err(|_| WireError::Key("the AWS credentials hold a character that no header may hold"))
    };
    headers.remove(header::AUTHORIZATION);
    headers.insert("x-amz-date", value(&stamp)?);
    if let Some(token) = keys.session_token {
        let mut token = value(token)?;
        token.set_sensitive(true);
        headers.insert("x-amz-security-token", token);
    }

    let (canonical, signed) = canonical(method, uri, headers, body)?;
    let credential = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{credential}\n{}", hash(canonical.as_bytes()));
    let mut key = mac(format!("AWS4{}", keys.secret_access_key).as_bytes(), day.as_bytes());
    for part in [scope.region, scope.service, "aws4_request", &to_sign] {
        key = mac(key.as_ref(), part.as_bytes());
    }
    let mut authorization = value(&format!(
        "AWS4-HMAC-SHA256 Credential={}/{credential}, SignedHeaders={signed}, Signature={}",
        keys.access_key_id,
        hex(key.as_ref())
    ))?;
    authorization.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, authorization);
    Ok(())
}

fn canonical(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<(String, String), WireError> {
    let mut lines: Vec<(&str, String)> = Vec::with_capacity(headers.len() + 1);
    for name in headers.keys() {
        let mut values = Vec::new();
        for value in headers.get_all(name) {
            let text = std::str::from_utf8(value.as_bytes())
                .map_err(|_| WireError::Address(format!("the header {name} cannot be signed: it is not text")))?;
            values.push(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
        }
        lines.push((name.as_str(), values.join(",")));
    }
    if !headers.contains_key(header::HOST) {
        lines.push(("host", host(uri)?));
    }
    lines.sort_unstable();
    let signed = lines.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let path = percent::encode_keeping(uri.path().as_bytes(), b"/");
    let mut text = format!("{method}\n{path}\n{}\n", canonical_query(uri.query().unwrap_or_default()));
    for (name, value) in &lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}:{value}");
    }
    let _ = write!(text, "\n{signed}\n{}", hash(body));
    Ok((text, signed))
}

/// The host as an HTTP client sends it: without the scheme's own port.
fn host(uri: &Uri) -> Result<String, WireError> {
    let host = uri.host().ok_or_else(|| WireError::Address("the address to sign names no host".into()))?;
    let own = match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    };
    Ok(match uri.port_u16() {
        Some(port) if Some(port) != own => format!("{host}:{port}"),
        _ => host.to_owned(),
    })
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent::encode(&percent::decode(name, false)), percent::encode(&percent::decode(value, false)))
        })
        .collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn mac(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}

fn hash(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests;
