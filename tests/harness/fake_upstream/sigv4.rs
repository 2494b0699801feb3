//! AWS Signature Version 4, recomputed from what arrived: the server's side of it.

use http::HeaderMap;
use ring::{digest, hmac};

/// The secret half of an access key, and where it may be used.
#[derive(Clone, Debug)]
pub struct Credentials<'a> {
    /// The access key id.
    pub access_key: &'a str,
    /// The secret key.
    pub secret_key: &'a str,
    /// `bedrock`, `service`, ….
    pub service: &'a str,
}

/// Checks the signature of a request; answers the region it was signed for.
///
/// `path` and `query` are as they came over the wire. The clock is not checked here; see [`age`].
///
/// # Errors
/// In AWS's words, with the canonical request, when the signature does not match.
pub fn verify(
    credentials: &Credentials<'_>,
    method: &str,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<String, String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let authorization = text("authorization").ok_or("Missing Authentication Token")?;
    let fields = authorization.strip_prefix("AWS4-HMAC-SHA256").ok_or("Unsupported signing algorithm")?;
    let field = |name: &str| fields.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    let credential = field("Credential").ok_or("Authorization header requires 'Credential' parameter.")?;
    let signed = field("SignedHeaders").ok_or("Authorization header requires 'SignedHeaders' parameter.")?;
    let signature = field("Signature").ok_or("Authorization header requires 'Signature' parameter.")?;
    let stamp = text("x-amz-date").ok_or("Authorization header requires existence of an 'X-Amz-Date' header.")?;
    let scope: Vec<&str> = credential.split('/').collect();
    let [access_key, day, region, service, "aws4_request"] = scope[..] else {
        return Err("Credential should be scoped correctly.".to_owned());
    };
    if access_key != credentials.access_key {
        return Err("The security token included in the request is invalid.".to_owned());
    }
    if service != credentials.service {
        return Err(format!("Credential should be scoped to correct service: '{}'.", credentials.service));
    }
    if !stamp.starts_with(day) || day.len() != 8 {
        return Err("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date.".to_owned());
    }
    let names: Vec<&str> = signed.split(';').collect();
    if !names.contains(&"host") {
        return Err("'Host' must be a 'SignedHeader' in the AWS Authorization.".to_owned());
    }
    let unsigned =
        headers.keys().map(http::HeaderName::as_str).find(|name| name.starts_with("x-amz-") && !names.contains(name));
    if let Some(unsigned) = unsigned {
        return Err(format!("There were headers present in the request which were not signed: {unsigned}"));
    }
    let payload = hex(digest::digest(&digest::SHA256, body).as_ref());
    if let Some(claimed) = text("x-amz-content-sha256")
        && claimed != payload
        && claimed != "UNSIGNED-PAYLOAD"
    {
        return Err("The provided 'x-amz-content-sha256' header does not match what was computed.".to_owned());
    }
    let canonical_headers: String =
        names.iter().map(|name| format!("{name}:{}\n", canonical_value(headers, name))).collect();
    let canonical = format!(
        "{method}\n{}\n{}\n{canonical_headers}\n{signed}\n{payload}",
        encode(path, b"/-_.~"),
        canonical_query(query)
    );
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let hashed = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}");
    let mut key = format!("AWS4{}", credentials.secret_key).into_bytes();
    for part in [day, region, service, "aws4_request"] {
        key = mac(&key, part.as_bytes());
    }
    if hex(&mac(&key, to_sign.as_bytes())) != signature {
        return Err(format!(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
             Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this \
             request should have been\n'{canonical}'"
        ));
    }
    Ok(region.to_owned())
}

/// Seconds between the request's `x-amz-date` and `now` (epoch seconds), when the date is one.
pub(super) fn age(headers: &HeaderMap, now: u64) -> Option<u64> {
    let stamp = headers.get("x-amz-date")?.to_str().ok()?;
    let number = |from: usize, to: usize| stamp.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    // Days from civil, counting years from March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = y * 365 + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (m * 153 + 2) / 5 + day - 719_469;
    let then = u64::try_from(days * 86_400 + hour * 3600 + minute * 60 + second).ok()?;
    Some(now.abs_diff(then))
}

fn canonical_value(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let trimmed = values.map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "));
    trimmed.collect::<Vec<_>>().join(",")
}

/// Pairs sorted by name and value. They come encoded; AWS decodes and encodes again, which is what this does.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let again = |text: &str| encode(&super::seen::percent_decode(text), b"-_.~");
            (again(name), again(value))
        })
        .collect();
    pairs.sort();
    pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn encode(text: &str, kept: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
