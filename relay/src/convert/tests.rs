//! The translations against their golden files, and what must hold for every stream.
//!
//! `relay/golden/<dialect>/<case>.<kind>.*` is what comes in; `<case>.<kind>.to-<target>.*` beside it is what
//! must go out. `UPDATE_GOLDEN=1` writes the latter anew; read the difference before committing it.

mod functions;
mod grammar;
mod losses;
mod streams;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

pub(super) const SPOKEN: [Dialect; 5] =
    [Dialect::Chat, Dialect::Messages, Dialect::Gemini, Dialect::Responses, Dialect::Converse];
pub(super) const HEARD: [Dialect; 6] =
    [Dialect::Chat, Dialect::Messages, Dialect::Gemini, Dialect::Responses, Dialect::Converse, Dialect::Completions];

/// The model a vendor of a dialect is asked for.
pub(super) fn vendor_model(to: Dialect) -> &'static str {
    match to {
        Dialect::Chat | Dialect::Responses | Dialect::Completions => "gpt-5",
        Dialect::Messages => "claude-sonnet-4-5",
        Dialect::Gemini => "gemini-3-pro",
        Dialect::Converse => "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    }
}

pub(super) fn reply() -> Reply {
    Reply {
        id: "x1".to_owned(),
        created: 1_700_000_000,
        model: "asked-for".to_owned(),
        include_usage: true,
        ..Reply::default()
    }
}

/// The inputs of a dialect: case name and content.
pub(super) fn inputs(dialect: Dialect, end: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(dialect.word());
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some(case) = name.strip_suffix(end).filter(|case| !case.contains(".to-")) {
            found.push((case.to_owned(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// Compares with the golden file, or writes it.
pub(super) fn golden(from: Dialect, file: &str, got: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(from.word()).join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, got).unwrap();
        return;
    }
    let want = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(got, want, "{} differs", path.display());
}

fn pretty(value: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap())
}

#[test]
fn requests_of_every_pair() {
    let mut pairs = 0;
    for from in HEARD {
        let cases = inputs(from, ".request.json");
        assert!(!cases.is_empty(), "no requests in {from:?}");
        for (case, body) in cases {
            let heard = read(from, &body, Path { model: "asked-for", stream: true });
            let heard = heard.unwrap_or_else(|error| panic!("{from:?}/{case}: {error}"));
            for to in SPOKEN {
                if to == from {
                    continue;
                }
                let got = match write(&heard, to, vendor_model(to), &Limits::default()) {
                    Ok(written) => {
                        let body: Value = serde_json::from_slice(&written.body).unwrap();
                        json!({"warnings": written.warnings, "body": body})
                    }
                    Err(error) => json!({"error": error.to_string()}),
                };
                golden(from, &format!("{case}.request.to-{}.json", to.word()), &pretty(&got));
                pairs += 1;
            }
        }
    }
    assert!(pairs >= 40);
}

#[test]
fn a_request_says_the_same_after_a_round_trip() {
    // What a dialect can say must survive being written and read again in that dialect.
    for from in HEARD {
        for (case, body) in inputs(from, ".request.json") {
            for to in SPOKEN {
                let heard = read(from, &body, Path { model: "m", stream: true }).unwrap();
                let Ok(once) = write(&heard, to, vendor_model(to), &Limits::default()) else { continue };
                let path = Path { model: vendor_model(to), stream: true };
                let again = read(to, &once.body, path).unwrap_or_else(|e| panic!("{from:?}/{case} in {to:?}: {e}"));
                let twice = write(&again, to, vendor_model(to), &Limits::default()).unwrap();
                let (once, twice): (Value, Value) =
                    (serde_json::from_slice(&once.body).unwrap(), serde_json::from_slice(&twice.body).unwrap());
                assert_eq!(once, twice, "{from:?}/{case} through {to:?}");
            }
        }
    }
}

#[test]
fn answers_of_every_pair() {
    let mut pairs = 0;
    for from in SPOKEN {
        let cases = inputs(from, ".answer.json");
        assert!(!cases.is_empty(), "no answers in {from:?}");
        for (case, body) in cases {
            for to in HEARD {
                if to == from {
                    continue;
                }
                let (out, usage) = answer(from, to, &body, &reply()).unwrap_or_else(|e| panic!("{from:?}/{case}: {e}"));
                let out: Value = serde_json::from_slice(&out).unwrap();
                golden(from, &format!("{case}.answer.to-{}.json", to.word()), &pretty(&out));
                // The caller is told what the vendor billed.
                let form = match to {
                    Dialect::Messages => usage::Form::Anthropic,
                    Dialect::Gemini => usage::Form::Gemini,
                    Dialect::Converse => usage::Form::Converse,
                    _ => usage::Form::OpenAi,
                };
                if let Some(usage) = usage {
                    let told = usage::of_body(form, out.to_string().as_bytes()).unwrap();
                    let place = format!("{from:?}/{case} to {to:?}");
                    // Google's words have no place for what was written to a cache.
                    assert_eq!(told.total_input(), usage.total_input(), "{place}");
                    assert_eq!((told.output, told.cache_read), (usage.output, usage.cache_read), "{place}");
                }
                pairs += 1;
            }
        }
    }
    assert!(pairs >= 40);
}

#[test]
fn broken_answers_are_errors_and_never_panics() {
    for from in SPOKEN {
        for body in [
            "",
            "null",
            "[]",
            "{}",
            "<html>",
            "{\"choices\":[]}",
            "{\"choices\":{}}",
            "{\"type\":\"message\",\"content\":[1]}",
        ] {
            let Err(error) = answer(from, Dialect::Chat, body.as_bytes(), &reply()) else {
                panic!("{from:?} took {body}");
            };
            assert!(matches!(error, HubError::Upstream { .. }), "{from:?} {body}");
        }
        for (_, body) in inputs(from, ".answer.json") {
            for cut in 0..body.len() - 2 {
                assert!(answer(from, Dialect::Messages, &body[..cut], &reply()).is_err(), "{from:?} cut at {cut}");
            }
        }
    }
}
