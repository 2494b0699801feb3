use super::*;
use http::HeaderValue;
use serde_json::json;

/// 2026-11-21T03:04:05Z: in California still the evening of the 20th.
const NOW: i64 = 1_795_230_245_000;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.insert(*name, HeaderValue::from_str(value).unwrap());
    }
    map
}

#[test]
fn each_vendors_header_names_the_moment() {
    let cases: &[(&[(&'static str, &str)], Option<i64>)] = &[
        (&[("retry-after", "7")], Some(NOW + 7_000)),
        (&[("retry-after", "0.5")], Some(NOW + 500)),
        (&[("retry-after", "Sat, 21 Nov 2026 03:05:05 GMT")], Some(NOW + 60_000)),
        (&[("retry-after-ms", "1500"), ("retry-after", "2")], Some(NOW + 1_500)),
        (
            &[
                ("anthropic-ratelimit-unified-status", "rejected"),
                ("anthropic-ratelimit-unified-reset", "1795231000"),
                ("retry-after", "3"),
            ],
            Some(1_795_231_000_000),
        ),
        (&[("anthropic-ratelimit-unified-reset", "1795231000")], Some(1_795_231_000_000)),
        (
            &[
                ("anthropic-ratelimit-unified-status", "allowed"),
                ("anthropic-ratelimit-unified-reset", "1795231000"),
                ("retry-after", "3"),
            ],
            Some(NOW + 3_000),
        ),
        (
            &[
                ("anthropic-ratelimit-requests-remaining", "0"),
                ("anthropic-ratelimit-requests-reset", "2026-11-21T03:04:15Z"),
                ("anthropic-ratelimit-tokens-remaining", "0"),
                ("anthropic-ratelimit-tokens-reset", "2026-11-21T03:04:35Z"),
                ("anthropic-ratelimit-output-tokens-remaining", "9"),
                ("anthropic-ratelimit-output-tokens-reset", "2026-11-21T03:05:35Z"),
            ],
            Some(NOW + 30_000),
        ),
        (
            &[
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "6m0s"),
                ("x-ratelimit-remaining-tokens", "5"),
                ("x-ratelimit-reset-tokens", "2h"),
            ],
            Some(NOW + 360_000),
        ),
        (&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6ms")], Some(NOW + 6)),
        (
            &[
                ("x-codex-primary-used-percent", "100"),
                ("x-codex-primary-reset-after-seconds", "90"),
                ("x-codex-primary-window-minutes", "300"),
                ("x-codex-secondary-used-percent", "40"),
                ("x-codex-secondary-reset-after-seconds", "9000"),
            ],
            Some(NOW + 90_000),
        ),
        // Nothing is said, or nothing that can be believed.
        (&[], None),
        (&[("retry-after", "soon")], None),
        (&[("retry-after", "-3")], None),
        (&[("retry-after", "1e300")], None),
        (&[("retry-after", "NaN")], None),
        (&[("retry-after", "Sat, 21 Nov 2020 03:05:05 GMT")], None),
        (&[("anthropic-ratelimit-unified-reset", "9999999999")], None),
        (&[("x-ratelimit-remaining-requests", "3"), ("x-ratelimit-reset-requests", "6m0s")], None),
    ];
    for (given, wanted) in cases {
        assert_eq!(cool_until(&headers(given), NOW), *wanted, "{given:?}");
    }
}

#[test]
fn codex_windows_are_read_in_full() {
    let windows = codex_windows(
        &headers(&[
            ("x-codex-primary-used-percent", "12.5"),
            ("x-codex-primary-window-minutes", "300"),
            ("x-codex-primary-reset-after-seconds", "60"),
            ("x-codex-secondary-used-percent", "3"),
            ("x-codex-secondary-reset-at", "1795231000"),
        ]),
        NOW,
    );
    assert_eq!(
        windows,
        [
            Window { name: "primary", used_percent: 12.5, minutes: Some(300), resets_at: Some(NOW + 60_000) },
            Window { name: "secondary", used_percent: 3.0, minutes: None, resets_at: Some(1_795_231_000_000) },
        ]
    );
    assert_eq!(codex_windows(&headers(&[("x-codex-primary-window-minutes", "300")]), NOW), []);
}

#[test]
fn codex_bodies_name_the_reset() {
    assert_eq!(codex_body(&json!({"resets_in_seconds": 61}), NOW), Some(NOW + 61_000));
    assert_eq!(
        codex_body(&json!({"resets_at": 1_795_231_000_i64, "resets_in_seconds": 1}), NOW),
        Some(1_795_231_000_000)
    );
    assert_eq!(codex_body(&json!({"resets_at": 1}), NOW), None);
    assert_eq!(codex_body(&json!({}), NOW), None);
}

#[test]
fn google_bodies_name_delay_and_days() {
    let error = |quota: &str| {
        json!({"details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "22.5s"},
        ]})
    };
    let minute = error("GenerateRequestsPerMinutePerProjectPerModel-FreeTier");
    assert_eq!(google_body(&minute, NOW), Some(NOW + 22_500));
    assert!(google_is_per_model(&minute));
    // Midnight of 21 November in California is 08:00 UTC.
    let day = error("GenerateRequestsPerDayPerProjectPerModel-FreeTier");
    assert_eq!(google_body(&day, NOW), Some("2026-11-21T08:00:00Z".parse::<Timestamp>().unwrap().as_millisecond()));
    assert!(!google_is_per_model(&error("GenerateRequestsPerMinutePerProject")));
    let midnight = google_body(&day, NOW);
    let limit = json!({"details": [{"metadata": {"quota_limit": "Gemini25ProRequestsPerDayPerUserPerTier"}}]});
    assert_eq!(google_body(&limit, NOW), midnight);
    let named =
        json!({"details": [{"metadata": {"quotaResetTimeStamp": "2026-11-21T04:00:00Z"}}, {"retryDelay": "1s"}]});
    assert_eq!(google_body(&named, NOW), Some("2026-11-21T04:00:00Z".parse::<Timestamp>().unwrap().as_millisecond()));
    assert!(!google_is_per_model(&json!({"details": []})));
    assert_eq!(google_body(&json!({"details": []}), NOW), None);
    assert_eq!(google_body(&json!({}), NOW), None);
}

#[test]
fn sentences_and_durations_are_understood() {
    assert_eq!(sentence("Rate limit exceeded. Please retry after 22 seconds.", NOW), Some(NOW + 22_000));
    assert_eq!(sentence("Please try again in 1m3.5s. Visit", NOW), Some(NOW + 63_500));
    assert_eq!(sentence("Please try again in 20ms.", NOW), Some(NOW + 20));
    assert_eq!(sentence("Please retry in 10.673410956s.", NOW), Some(NOW + 10_674));
    assert_eq!(sentence("Please retry after 2 days", NOW), Some(NOW + 172_800_000));
    assert_eq!(sentence("retry after some time", NOW), None);
    assert_eq!(sentence("no", NOW), None);
    let cases = [
        ("6ms", Some(6.0)),
        ("1s", Some(1_000.0)),
        ("6m0s", Some(360_000.0)),
        ("1h2m3.5s", Some(3_723_500.0)),
        ("", None),
        ("5", None),
        ("s", None),
        ("1x", None),
        ("1.2.3s", None),
    ];
    for (text, wanted) in cases {
        assert_eq!(duration(text), wanted, "{text}");
    }
}
