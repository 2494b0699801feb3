//! What the lists of newapi's dashboard may hold, with that system's own bounds.

use serde_json::Value;

use super::names;
use crate::clock::Time;

const COLORS: [&str; 16] = [
    "blue",
    "green",
    "cyan",
    "purple",
    "pink",
    "red",
    "orange",
    "amber",
    "yellow",
    "lime",
    "light-green",
    "teal",
    "light-blue",
    "indigo",
    "violet",
    "grey",
];
const KINDS: [&str; 5] = ["default", "ongoing", "success", "warning", "error"];

/// Why a list is none that the dashboard could show; `None` also for what is no such list.
pub(super) fn misshapen(name: &str, document: &Value) -> Option<&'static str> {
    let (most, fits, why): (usize, fn(&Value) -> bool, _) = match name {
        names::PANEL_API_INFO => {
            (50, address, "must be a list of at most 50 of {url, route, description, color}, each within its length")
        }
        names::PANEL_ANNOUNCEMENTS => (
            100,
            announcement,
            "must be a list of at most 100 of {content, publishDate, type, extra}, each within its length",
        ),
        names::PANEL_FAQ => {
            (100, question, "must be a list of at most 100 of {question, answer}, each within its length")
        }
        names::PANEL_UPTIME => {
            (20, page, "must be a list of at most 20 of {categoryName, url, slug}, each within its length")
        }
        _ => return None,
    };
    let all = document.as_array().is_some_and(|all| all.len() <= most && all.iter().all(fits));
    (!all).then_some(why)
}

/// Text of so many characters, and of at least one.
fn text(value: &Value, most: usize) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty() && text.chars().count() <= most)
}

fn web(value: &Value) -> bool {
    let url = value.as_str().filter(|url| url.len() <= 500).and_then(|url| reqwest::Url::parse(url).ok());
    url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn one_of(value: &Value, words: &[&str]) -> bool {
    value.as_str().is_some_and(|word| words.contains(&word))
}

fn address(one: &Value) -> bool {
    web(&one["url"]) && text(&one["route"], 100) && text(&one["description"], 200) && one_of(&one["color"], &COLORS)
}

fn announcement(one: &Value) -> bool {
    let extra = &one["extra"];
    text(&one["content"], 500)
        && one["publishDate"].as_str().is_some_and(|date| Time::parse(date).is_some())
        && (one["type"].is_null() || one_of(&one["type"], &KINDS))
        && (extra.is_null() || extra == "" || text(extra, 200))
}

fn question(one: &Value) -> bool {
    text(&one["question"], 200) && text(&one["answer"], 1_000)
}

fn page(one: &Value) -> bool {
    let slug = |slug: &str| slug.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    text(&one["categoryName"], 50)
        && web(&one["url"])
        && text(&one["slug"], 100)
        && one["slug"].as_str().is_some_and(slug)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_dashboard_could_not_show_is_refused() {
        let url = "https://api.example.com";
        let info = json!({ "url": url, "route": "CN2", "description": "fast", "color": "blue", "id": 1 });
        let news =
            json!({ "content": "hello", "publishDate": "2025-07-01T08:00:00.000Z", "type": "ongoing", "extra": "" });
        let asked = json!({ "question": "why?", "answer": "because" });
        let status = json!({ "categoryName": "core", "url": url, "slug": "main-page" });
        for (name, good, field, bad) in [
            (names::PANEL_API_INFO, info, "url", json!("ftp://x")),
            (names::PANEL_ANNOUNCEMENTS, news, "publishDate", json!("yesterday")),
            (names::PANEL_FAQ, asked, "answer", json!("x".repeat(1_001))),
            (names::PANEL_UPTIME, status, "slug", json!("a/b")),
        ] {
            assert_eq!(misshapen(name, &json!([good])), None, "{name}");
            assert_eq!(misshapen(name, &json!([])), None, "{name}");
            assert!(misshapen(name, &json!(vec![good.clone(); 101])).is_some(), "{name}: too many");
            assert!(misshapen(name, &good).is_some(), "{name}: no list");
            let mut other = good;
            other[field] = bad;
            assert!(misshapen(name, &json!([other])).is_some(), "{name}");
        }
    }
}
