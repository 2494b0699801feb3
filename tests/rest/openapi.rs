//! The description at `/openapi.json`: whole, sound, and true to the documents' examples.

use std::collections::{BTreeMap, BTreeSet};

use harness::TestApp;
use rest::dialect::{Row, commercial, crs, ledger, massrouter, newapi};
use rest::openapi::documented::{self, Documented};
use rest::openapi::{document, relay};
use serde_json::{Value, json};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn tables() -> Vec<Row> {
    [crs::TABLE, commercial::TABLE, massrouter::TABLE, newapi::TABLE, ledger::TABLE, rest::pay::TABLE].concat()
}

/// Every operation with its path and method.
fn operations(api: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = api["paths"].as_object().expect("paths");
    let of = |(path, item)| METHODS.iter().filter_map(move |m| Some((path, *m, Value::get(item, *m)?)));
    paths.iter().flat_map(|(path, item)| of((path.as_str(), item))).collect()
}

/// A path without the names of its parameters.
fn bones(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

#[test]
fn the_tables_and_the_description_say_the_same() {
    let api = document();
    let served: BTreeSet<(String, String)> = tables()
        .iter()
        .map(|row| (row.method.to_ascii_lowercase(), row.path.replace("{*", "{")))
        .chain(relay::calls().map(|call| (call.method.to_ascii_lowercase(), call.path.clone())))
        .collect();
    let described: BTreeSet<(String, String)> =
        operations(&api).iter().map(|(path, method, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(served, described);
}

#[test]
fn the_description_is_sound() {
    let api = document();
    assert_eq!(api["openapi"], json!("3.1.0"));
    for field in ["title", "version"] {
        assert!(api["info"][field].is_string(), "info.{field}");
    }
    let mut ids = BTreeSet::new();
    let tags: BTreeSet<&str> =
        api["tags"].as_array().expect("tags").iter().filter_map(|t| t["name"].as_str()).collect();
    for (path, method, operation) in operations(&api) {
        let place = format!("{method} {path}");
        assert!(path.starts_with('/'), "{place}");
        assert!(ids.insert(operation["operationId"].as_str().expect("an id")), "{place}: its name is taken");
        assert!(operation["summary"].as_str().is_some_and(|s| !s.is_empty()), "{place}: no summary");
        assert!(
            operation["tags"].as_array().expect("tags").iter().all(|t| tags.contains(t.as_str().unwrap_or(""))),
            "{place}"
        );
        let in_path: BTreeSet<&str> = path.split('/').filter_map(|p| p.strip_prefix('{')?.strip_suffix('}')).collect();
        let parameters: Vec<Value> = operation["parameters"].as_array().cloned().unwrap_or_default();
        let mut seen = BTreeSet::new();
        for parameter in &parameters {
            let (name, at) = (parameter["name"].as_str().expect("a name"), parameter["in"].as_str().expect("a place"));
            assert!(seen.insert((name, at)), "{place}: {name} twice");
            assert!(matches!(at, "path" | "query" | "header" | "cookie"), "{place}: {at}");
            assert!(parameter["schema"].is_object(), "{place}: {name} has no schema");
            assert!(at != "path" || parameter["required"] == json!(true), "{place}: {name} is in the path");
        }
        let told: BTreeSet<&str> = seen.iter().filter(|(_, at)| *at == "path").map(|(name, _)| *name).collect();
        assert_eq!(in_path, told, "{place}");
        assert!(!matches!(method, "get") || operation.get("requestBody").is_none(), "{place}: a GET with a body");
        let responses = operation["responses"].as_object().expect("responses");
        assert!(!responses.is_empty(), "{place}");
        for (status, response) in responses {
            assert!(
                status.len() == 3 && status.ends_with(|c: char| c.is_ascii_digit() || c == 'X'),
                "{place}: {status}"
            );
            assert!(response["$ref"].is_string() || response["description"].is_string(), "{place}: {status}");
        }
        for proof in operation["security"].as_array().expect("security") {
            for name in proof.as_object().expect("a proof").keys() {
                assert!(api["components"]["securitySchemes"][name].is_object(), "{place}: {name}");
            }
        }
    }
    let mut templates = BTreeMap::new();
    for path in api["paths"].as_object().expect("paths").keys() {
        if let Some(other) = templates.insert(bones(path), path) {
            panic!("{path} and {other} are one path under two names");
        }
    }
    each(&api, &mut |node| {
        if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').expect("a reference into the document");
            assert!(api.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
    });
}

fn each<'a>(node: &'a Value, look: &mut impl FnMut(&'a Value)) {
    look(node);
    match node {
        Value::Array(items) => items.iter().for_each(|n| each(n, look)),
        Value::Object(fields) => fields.values().for_each(|n| each(n, look)),
        _ => {}
    }
}

/// Why a value does not fit a schema, as far as the description uses JSON Schema.
pub fn misfit(api: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return misfit(api, api.pointer(&reference[1..]).expect("a sound reference"), value);
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let fits = |kind: &&str| match *kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|f| f.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    };
    if !kinds.is_empty() && !kinds.iter().any(fits) {
        return Some(format!("{value} is no {}", kinds.join(" or ")));
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return Some(format!("{value} is not {}", schema["const"]));
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        return Some(format!("{value} is none of {}", schema["enum"]));
    }
    if let Some(number) = value.as_f64() {
        if schema["minimum"].as_f64().is_some_and(|least| number < least) {
            return Some(format!("{value} is too small"));
        }
        if schema["maximum"].as_f64().is_some_and(|most| number > most) {
            return Some(format!("{value} is too large"));
        }
    }
    if let Some(fields) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                return Some(format!("{name} is missing"));
            }
        }
        for (name, inner) in fields {
            let schema = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
            if let Some(why) = schema.and_then(|s| misfit(api, s, inner)) {
                return Some(format!("{name}: {why}"));
            }
        }
    }
    if let (Some(items), Some(schema)) = (value.as_array(), schema.get("items"))
        && let Some(why) = items.iter().find_map(|item| misfit(api, schema, item))
    {
        return Some(format!("an item: {why}"));
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if let Some(why) = misfit(api, part, value) {
            return Some(why);
        }
    }
    for word in ["anyOf", "oneOf"] {
        let ways: Vec<Option<String>> =
            schema[word].as_array().into_iter().flatten().map(|s| misfit(api, s, value)).collect();
        if !ways.is_empty() && ways.iter().all(Option::is_some) {
            return Some(ways.into_iter().flatten().collect::<Vec<_>>().join("; or "));
        }
    }
    None
}

/// The operations that serve a documented endpoint, its aliases included.
fn serving<'a>(api: &'a Value, documented: &Documented) -> Vec<(String, &'a Value)> {
    let wanted: Vec<String> = std::iter::once(&documented.path).chain(&documented.aliases).map(|p| bones(p)).collect();
    let found = operations(api).into_iter().filter(|(path, method, operation)| {
        let tag = operation["tags"][0].as_str().unwrap_or("");
        let mine = tag == documented.system || tag == "relay";
        mine && method.eq_ignore_ascii_case(&documented.method) && wanted.contains(&bones(path))
    });
    found.map(|(path, method, operation)| (format!("{method} {path}"), operation)).collect()
}

#[test]
fn every_documented_example_fits() {
    let api = document();
    for endpoint in documented::all() {
        let found = serving(&api, endpoint);
        let Documented { system, method, path, .. } = endpoint;
        assert!(!found.is_empty(), "{system} {method} {path} is documented and not served");
        for (place, operation) in found {
            let body = &operation["requestBody"]["content"];
            for example in endpoint.requests.iter().filter(|_| endpoint.method != "GET") {
                let schema = &body["application/json"]["schema"];
                assert!(schema.is_object(), "{place}: documented with a body, described without");
                let why = misfit(&api, schema, example);
                assert!(why.is_none(), "{place}: the documented body does not fit: {}", why.unwrap_or_default());
            }
            for field in &endpoint.fields {
                let schema = &body["multipart/form-data"]["schema"]["properties"][&field.name];
                assert!(schema.is_object(), "{place}: no field {}", field.name);
            }
            if let Some(example) = &endpoint.response {
                let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
                assert!(schema.is_object(), "{place}: documented with an answer, described without");
                let why = misfit(&api, schema, example);
                assert!(why.is_none(), "{place}: the documented answer does not fit: {}", why.unwrap_or_default());
            }
            let described: BTreeSet<&str> =
                operation["parameters"].as_array().into_iter().flatten().filter_map(|p| p["name"].as_str()).collect();
            for name in endpoint.query.keys() {
                assert!(described.contains(name.as_str()), "{place}: the documented parameter {name} is not read");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_served_whole_small_and_only_when_it_has_changed() {
    let app = TestApp::new().await;
    let nobody = app.anonymous();
    let answer = nobody.get("/openapi.json").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.json(), document());
    let tag = answer.header("etag").to_owned();
    let again = nobody.with("if-none-match", &tag).get("/openapi.json").await;
    assert_eq!((again.status.as_u16(), again.text.len()), (304, 0));
    let zipped = nobody.with("accept-encoding", "gzip").get("/openapi.json").await;
    assert_eq!(zipped.header("content-encoding"), "gzip");
    assert!(zipped.text.len() < answer.text.len() / 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_viewer_is_whole_and_asks_nothing_of_others() {
    let app = TestApp::new().await;
    let page = app.anonymous().get("/docs").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
    assert!(!page.text.contains("<style") && !page.text.contains("://"), "nothing inline, nothing from elsewhere");
    for reference in page.text.split('"').filter(|part| part.starts_with('/')) {
        let file = app.anonymous().get(reference).await;
        assert_eq!(file.status, 200, "{reference}");
        assert!(!file.text.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_in_every_dialect() {
    let app = TestApp::new().await;
    let admin = app.admin().await.with("new-api-user", "1");
    for (method, path) in [
        ("POST", "/admin/api-keys"),
        ("POST", "/auth/login"),
        ("POST", "/api/v1/auth/login"),
        ("POST", "/api/user/login"),
        ("POST", "/api/admin/users"),
        ("PUT", "/api/token"),
    ] {
        let send = |kind: &'static str, body: Vec<u8>| {
            let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
            let request = admin.request(method, path).header("content-type", kind).body(body);
            let admin = &admin;
            async move { admin.send(request).await }
        };
        for (what, kind, body, status) in [
            ("not JSON", "application/json", b"{\"username\":".to_vec(), 400),
            ("no object", "application/json", b"[]".to_vec(), 400),
            ("another kind", "text/plain", b"{}".to_vec(), 415),
            ("no UTF-8", "application/json", b"{\"username\":\"\xff\"}".to_vec(), 400),
            ("a NUL", "application/json", b"{\"username\":\"a\\u0000\",\"password\":\"x\"}".to_vec(), 400),
            ("half a character", "application/json", b"{\"username\":\"\\ud800\"}".to_vec(), 400),
            ("no number", "application/json", b"{\"id\":1e999}".to_vec(), 400),
            ("too deep", "application/json", "[".repeat(10_000).into_bytes(), 400),
            ("too long", "application/json", format!("{{\"username\":\"{}\"}}", "a".repeat(3 << 20)).into_bytes(), 400),
        ] {
            let answer = send(kind, body).await;
            assert_eq!(answer.status.as_u16(), status, "{what} at {path}: {}", answer.text);
            let body = answer.json();
            assert!(body["message"].is_string() || body["error"]["message"].is_string(), "{what} at {path}: {body}");
        }
        let answer = admin.call("PATCH", path, json!({})).await;
        assert_eq!(answer.status.as_u16(), 405, "{path}: {}", answer.text);
        assert!(answer.header("allow").contains(method), "{path} allows {}", answer.header("allow"));
    }
    for path in ["/admin/api-keys?search=%00", "/api/token?keyword=%00", "/api/token/%00", "/api/admin/users/a%00b"] {
        assert_eq!(admin.get(path).await.status.as_u16(), 400, "{path}");
    }
    for path in ["/api/token/999999999999999999999", "/api/token?p=1.5", "/api/admin/users?page=x", "/api/token/%ff"] {
        assert_eq!(admin.get(path).await.status.as_u16(), 400, "{path}");
    }
}
