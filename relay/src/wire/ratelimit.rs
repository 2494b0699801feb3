//! Until when a vendor asks to be left alone, from its headers and error bodies.
//!
//! Every answer is a moment in epoch milliseconds. What the vendor does not say is `None`: how long to
//! wait then is the caller's rule.

use http::HeaderMap;
use jiff::{Timestamp, civil, tz::TimeZone};
use serde_json::Value;

/// No vendor's limit lasts longer; anything beyond is a misreading.
const LONGEST: i64 = 35 * 24 * 3600 * 1000;

/// The moment that a refusal's headers name, to the vendor's own precision.
///
/// A subscription's own reset goes first (it is the window that was used up, while `retry-after` may be a
/// shorter guess), then `retry-after-ms` and `retry-after`, then the resets of exhausted limits.
pub fn cool_until(headers: &HeaderMap, now: i64) -> Option<i64> {
    unified(headers)
        .or_else(|| after(headers, "retry-after-ms", 1.0, now))
        .or_else(|| retry_after(headers, now))
        .or_else(|| anthropic(headers))
        .or_else(|| codex(headers, now))
        .or_else(|| openai(headers, now))
        .filter(|until| *until > now && *until - now <= LONGEST)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn number(headers: &HeaderMap, name: &str) -> Option<f64> {
    text(headers, name)?.parse::<f64>().ok().filter(|n| n.is_finite())
}

fn later(now: i64, ms: f64) -> Option<i64> {
    // Beyond a month nothing is believed, so the cast below cannot overflow.
    (ms >= 0.0 && ms <= LONGEST as f64).then(|| now + ms.ceil() as i64)
}

fn after(headers: &HeaderMap, name: &str, scale: f64, now: i64) -> Option<i64> {
    later(now, number(headers, name)? * scale)
}

fn retry_after(headers: &HeaderMap, now: i64) -> Option<i64> {
    after(headers, "retry-after", 1000.0, now).or_else(|| {
        let date = text(headers, "retry-after")?;
        jiff::fmt::rfc2822::parse(date).ok().map(|at| at.timestamp().as_millisecond())
    })
}

/// `anthropic-ratelimit-unified-reset` (epoch seconds), of a subscription whose window is used up.
fn unified(headers: &HeaderMap) -> Option<i64> {
    if text(headers, "anthropic-ratelimit-unified-status").is_some_and(|status| status != "rejected") {
        return None;
    }
    epoch_seconds(number(headers, "anthropic-ratelimit-unified-reset")?)
}

fn epoch_seconds(seconds: f64) -> Option<i64> {
    (0.0..1e12).contains(&seconds).then_some((seconds * 1000.0) as i64)
}

/// The latest reset among the limits of which nothing remains; RFC 3339.
fn anthropic(headers: &HeaderMap) -> Option<i64> {
    ["requests", "tokens", "input-tokens", "output-tokens"]
        .iter()
        .filter(|limit| {
            number(headers, &format!("anthropic-ratelimit-{limit}-remaining")).is_some_and(|left| left <= 0.0)
        })
        .filter_map(|limit| text(headers, &format!("anthropic-ratelimit-{limit}-reset"))?.parse::<Timestamp>().ok())
        .map(Timestamp::as_millisecond)
        .max()
}

/// The latest reset among the limits of which nothing remains; durations such as `6m0s`.
fn openai(headers: &HeaderMap, now: i64) -> Option<i64> {
    ["requests", "tokens"]
        .iter()
        .filter(|limit| number(headers, &format!("x-ratelimit-remaining-{limit}")).is_some_and(|left| left <= 0.0))
        .filter_map(|limit| duration(text(headers, &format!("x-ratelimit-reset-{limit}"))?))
        .filter_map(|ms| later(now, ms))
        .max()
}

/// The latest reset among Codex's used-up windows.
fn codex(headers: &HeaderMap, now: i64) -> Option<i64> {
    codex_windows(headers, now)
        .iter()
        .filter(|window| window.used_percent >= 100.0)
        .filter_map(|window| window.resets_at)
        .max()
}

/// One of the windows that a Codex answer reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// `primary` (hours) or `secondary` (a week).
    pub name: &'static str,
    /// How much of it is used.
    pub used_percent: f64,
    /// Its length.
    pub minutes: Option<i64>,
    /// When it begins anew, in epoch milliseconds.
    pub resets_at: Option<i64>,
}

/// The windows of an `x-codex-*` header set.
pub fn codex_windows(headers: &HeaderMap, now: i64) -> Vec<Window> {
    ["primary", "secondary"]
        .into_iter()
        .filter_map(|name| {
            let field = |what: &str| number(headers, &format!("x-codex-{name}-{what}"));
            Some(Window {
                name,
                used_percent: field("used-percent")?,
                minutes: field("window-minutes").map(|minutes| minutes as i64),
                resets_at: field("reset-after-seconds")
                    .and_then(|seconds| later(now, seconds * 1000.0))
                    .or_else(|| field("reset-at").and_then(epoch_seconds)),
            })
        })
        .collect()
}

/// `resets_at` / `resets_in_seconds` of a Codex `usage_limit_reached` body.
pub fn codex_body(error: &Value, now: i64) -> Option<i64> {
    let at = error.get("resets_at").and_then(Value::as_f64).and_then(epoch_seconds);
    let after =
        || error.get("resets_in_seconds").and_then(Value::as_f64).and_then(|seconds| later(now, seconds * 1000.0));
    at.or_else(after).filter(|until| *until > now && *until - now <= LONGEST)
}

/// When a Google error says the quota is free again: the moment it names, else `RetryInfo.retryDelay`, and
/// not before midnight in California where a day's quota is used up.
pub fn google_body(error: &Value, now: i64) -> Option<i64> {
    let details = error.get("details").and_then(Value::as_array)?;
    let named = details
        .iter()
        .find_map(|detail| detail.pointer("/metadata/quotaResetTimeStamp")?.as_str()?.parse::<Timestamp>().ok())
        .map(Timestamp::as_millisecond)
        .filter(|until| *until > now && *until - now <= LONGEST);
    if named.is_some() {
        return named;
    }
    let delay = details
        .iter()
        .find_map(|detail| detail.get("retryDelay")?.as_str())
        .and_then(duration)
        .and_then(|ms| later(now, ms));
    let daily = google_quotas(details).any(|quota| quota.contains("PerDay"));
    delay.max(if daily { pacific_midnight(now) } else { None })
}

/// Whether every quota that a Google error names is counted per model.
pub fn google_is_per_model(error: &Value) -> bool {
    let Some(details) = error.get("details").and_then(Value::as_array) else { return false };
    let mut quotas = google_quotas(details).peekable();
    quotas.peek().is_some() && quotas.all(|quota| quota.contains("PerModel"))
}

fn google_quotas(details: &[Value]) -> impl Iterator<Item = &str> {
    let violated = details
        .iter()
        .filter_map(|detail| detail.get("violations")?.as_array())
        .flatten()
        .filter_map(|violation| violation.get("quotaId")?.as_str());
    violated.chain(details.iter().filter_map(|detail| detail.pointer("/metadata/quota_limit")?.as_str()))
}

/// Google's days begin at midnight Pacific time.
fn pacific_midnight(now: i64) -> Option<i64> {
    let zone = TimeZone::get("America/Los_Angeles").ok()?;
    let today: civil::Date = Timestamp::from_millisecond(now).ok()?.to_zoned(zone.clone()).date();
    Some(today.tomorrow().ok()?.to_zoned(zone).ok()?.timestamp().as_millisecond())
}

/// "… Please retry after 22 seconds" or "Please try again in 1m3.5s", as Azure and OpenAI put it.
pub fn sentence(message: &str, now: i64) -> Option<i64> {
    let lower = message.to_ascii_lowercase();
    let rest = ["retry after ", "try again in ", "retry in "]
        .iter()
        .find_map(|phrase| lower.split_once(phrase))
        .map(|(_, rest)| rest)?;
    let mut words = rest.split_ascii_whitespace();
    let first = words.next()?.trim_end_matches(['.', ',']);
    let ms = match (first.parse::<f64>(), words.next().unwrap_or_default()) {
        (Ok(n), unit) if unit.starts_with("second") => n * 1000.0,
        (Ok(n), unit) if unit.starts_with("minute") => n * 60_000.0,
        (Ok(n), unit) if unit.starts_with("hour") => n * 3_600_000.0,
        (Ok(n), unit) if unit.starts_with("day") => n * 86_400_000.0,
        (Ok(_), _) => return None,
        (Err(_), _) => duration(first)?,
    };
    later(now, ms)
}

/// Milliseconds of a duration such as `6ms`, `1s`, `6m0s`, `1h2m3.5s`.
pub fn duration(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let amount: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        total += amount
            * match rest.get(..unit)? {
                "ns" => 1e-6,
                "us" | "µs" => 1e-3,
                "ms" => 1.0,
                "s" => 1000.0,
                "m" => 60_000.0,
                "h" => 3_600_000.0,
                "d" => 86_400_000.0,
                _ => return None,
            };
        rest = rest.get(unit..)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests;
