//! What an account's fields may hold.

use crate::error::{Error, Result};
use crate::model::account::{AccountKind, AccountOptions};
use crate::service::field;

/// An address of a vendor: http or https, a host, nothing secret in it. Without a trailing slash.
pub fn base_url(url: &str) -> Result<String> {
    let url = url.trim().trim_end_matches('/');
    let refuse = |why: &str| Error::invalid("baseUrl", format!("the address {why}"));
    if url.len() > 2_000 {
        return Err(refuse("is too long"));
    }
    let parsed = reqwest::Url::parse(url).map_err(|_| refuse("is no URL"))?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none_or(str::is_empty) {
        return Err(refuse("must begin with http:// or https:// and name a host"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(refuse("may not hold a user name or password"));
    }
    if parsed.fragment().is_some() {
        return Err(refuse("may not hold a fragment"));
    }
    Ok(url.to_owned())
}

/// Refuses an account that cannot be reached without an address of its own and has none.
pub fn needs_address(kind: AccountKind, given: Option<&str>) -> Result<()> {
    if kind.needs_base_url() && given.is_none() {
        return Err(Error::invalid("baseUrl", format!("a {kind} account needs an address")));
    }
    Ok(())
}

/// Headers that carry secrets, or that the connection itself decides.
const NOT_OURS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
];

/// Options that hang together.
pub fn options(options: &AccountOptions) -> Result<()> {
    if options.mapping.len() > 1_000 {
        return Err(Error::invalid("options.mapping", "at most 1000 models are mapped"));
    }
    for (from, to) in &options.mapping {
        field::name(&format!("options.mapping.{from}"), from, 200)?;
        field::name(&format!("options.mapping.{from}"), to, 200)?;
    }
    if let Some(name) = options.mapping_circle() {
        return Err(Error::invalid("options.mapping", format!("the mapping of {name} leads back to itself")));
    }
    if options.headers.len() > 50 {
        return Err(Error::invalid("options.headers", "at most 50 headers are set"));
    }
    for (name, value) in &options.headers {
        let path = format!("options.headers.{name}");
        let token = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !token || name.len() > 100 {
            return Err(Error::invalid(path, "this is no name of a header"));
        }
        if NOT_OURS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(Error::invalid(path, format!("{name} cannot be set here; secrets belong in the credentials")));
        }
        if value.len() > 4_000 || !value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            return Err(Error::invalid(path, "a header's value is one line of plain characters"));
        }
    }
    for (from, to) in &options.status_mapping {
        let known = |s: u16| (100..=599).contains(&s);
        if !known(*from) || !known(*to) {
            return Err(Error::invalid("options.statusMapping", "statuses are numbers between 100 and 599"));
        }
    }
    for (name, value) in [
        ("region", &options.region),
        ("project", &options.project),
        ("organization", &options.organization),
        ("apiVersion", &options.api_version),
        ("deployment", &options.deployment),
        ("vendor", &options.vendor),
        ("endpoint", &options.endpoint),
        ("defaultModel", &options.default_model),
        ("testModel", &options.test_model),
        ("userAgent", &options.user_agent),
        ("oauthProvider", &options.oauth_provider),
    ] {
        let Some(value) = value else { continue };
        let path = format!("options.{name}");
        field::text(&path, value, 500)?;
        if value.chars().any(char::is_control) {
            return Err(Error::invalid(path.clone(), format!("{path} may not hold control characters")));
        }
    }
    // These become part of an address.
    for (name, value) in
        [("region", &options.region), ("project", &options.project), ("deployment", &options.deployment)]
    {
        let plain = |v: &String| v.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
        if value.as_ref().is_some_and(|v| !plain(v)) {
            return Err(Error::invalid(format!("options.{name}"), "letters, digits and - _ . : only"));
        }
    }
    if let Some(ms) = options.first_byte_ms {
        field::within("options.firstByteMs", ms, 100, 3_600_000)?;
    }
    if let Some(minutes) = options.rate_limit_minutes {
        field::within("options.rateLimitMinutes", minutes, 0, 10_080)?;
    }
    if let Some(time) = &options.quota_reset_time
        && clock_time(time).is_none()
    {
        return Err(Error::invalid("options.quotaResetTime", "a time of day is written HH:MM"));
    }
    for (name, document) in [("bodyOverrides", &options.body_overrides), ("extra", &options.extra)] {
        field::document(&format!("options.{name}"), document, 65_536)?;
    }
    Ok(())
}

/// Minutes since midnight of `HH:MM`.
pub fn clock_time(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |s: &str| (s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse::<i64>().ok())?;
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_http_and_hold_no_secret() {
        assert_eq!(base_url(" https://api.example.com/v1/ ").ok().as_deref(), Some("https://api.example.com/v1"));
        assert!(base_url("http://127.0.0.1:9000").is_ok());
        for bad in ["", "api.example.com", "ftp://x", "file:///etc/passwd", "https://", "https://a:b@c", "https://c#f"]
        {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn options_refuse_circles_and_secret_headers() {
        let mut o = AccountOptions::default();
        assert!(options(&o).is_ok());
        o.mapping = [("a".into(), "b".into()), ("b".into(), "a".into())].into();
        assert!(matches!(options(&o), Err(Error::Invalid { field, .. }) if field == "options.mapping"));
        o.mapping.clear();
        o.headers = [("Authorization".into(), "x".into())].into();
        assert!(options(&o).is_err());
        o.headers = [("X-Title".into(), "a\r\nb".into())].into();
        assert!(options(&o).is_err());
        o.headers = [("X-Title".into(), "ok".into())].into();
        o.region = Some("us-east-1/../x".into());
        assert!(options(&o).is_err());
        o.region = Some("us-east-1".into());
        o.quota_reset_time = Some("24:00".into());
        assert!(options(&o).is_err());
        o.quota_reset_time = Some("08:30".into());
        assert!(options(&o).is_ok());
        assert_eq!(clock_time("08:30"), Some(510));
    }
}
