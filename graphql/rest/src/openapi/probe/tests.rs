use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::of;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only read by the probe")]
struct Plain {
    user_name: String,
    age: Option<u8>,
    #[serde(default)]
    tags: Vec<String>,
    ratios: BTreeMap<String, f64>,
    anything: Value,
    #[serde(rename = "type")]
    kind: Kind,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Credit,
    Plan,
}

#[test]
fn a_form_is_read_out_of_its_type() {
    assert_eq!(
        of::<Plain>().schema(),
        json!({
            "type": "object",
            "properties": {
                "userName": { "type": "string" },
                "age": { "type": ["integer", "null"], "minimum": 0, "maximum": 255 },
                "tags": { "type": "array", "items": { "type": "string" } },
                "ratios": { "type": "object", "additionalProperties": { "type": "number" } },
                "anything": {},
                "type": { "type": "string", "enum": ["credit", "plan"] },
            },
            "required": ["userName", "ratios", "anything", "type"],
        })
    );
}

/// Texts that must be dates, whatever a probe offers.
fn date<'de, D: serde::Deserializer<'de>>(input: D) -> Result<i64, D::Error> {
    let text = String::deserialize(input)?;
    text.strip_prefix("date:").and_then(|n| n.parse().ok()).ok_or_else(|| serde::de::Error::custom("no date"))
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read by the probe")]
struct Picky {
    before: String,
    #[serde(deserialize_with = "date")]
    at: i64,
    #[serde(default, alias = "also")]
    name: Option<String>,
    #[serde(alias = "email")]
    username: String,
    inner: Vec<Inner>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read by the probe")]
struct Inner {
    #[serde(deserialize_with = "date")]
    at: i64,
    count: i64,
    again: Option<Box<Inner>>,
}

#[test]
fn what_refuses_a_probe_is_described_all_the_same() {
    let schema = of::<Picky>().schema();
    assert_eq!(schema["properties"]["at"], json!({ "type": "string" }));
    assert_eq!(schema["properties"]["also"], schema["properties"]["name"]);
    assert_eq!(schema["properties"]["email"], json!({ "type": "string" }));
    let inner = &schema["properties"]["inner"]["items"];
    assert_eq!(inner["properties"]["count"]["type"], json!("integer"));
    assert_eq!(inner["properties"]["again"]["type"], json!(["object", "null"]));
    assert_eq!(inner["required"][0], json!("at"));
    assert_eq!(schema["required"][0], json!("before"));
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read by the probe")]
struct Login {
    #[serde(alias = "email")]
    username: String,
    password: String,
}

#[test]
fn one_of_two_spellings_is_needed() {
    let schema = of::<Login>().schema();
    assert_eq!(schema["required"], json!(["password"]));
    let spellings = &schema["allOf"][0]["anyOf"];
    assert!(spellings.as_array().is_some_and(|all| all.len() == 2), "{schema}");
    assert!(!of::<Login>().may_be_empty());
    assert!(of::<Option<Login>>().may_be_empty());
}

#[test]
fn paths_are_scalars_or_tuples() {
    assert_eq!(of::<i64>().schema()["type"], json!("integer"));
    assert_eq!(of::<(String, u16)>().schema()["prefixItems"][1]["maximum"], json!(65_535));
}
