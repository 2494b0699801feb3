//! Documents: their limits, their operations, their variables.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

const INVALID: &str = "GRAPHQL_VALIDATION_FAILED";

/// Twice as much at every level: 2^levels selections once written out.
fn bomb(levels: usize, leaf: &str) -> String {
    let mut text = String::from("{ ...F0 }");
    for level in 0..levels {
        let next = level + 1;
        text += &format!(" fragment F{level} on Query {{ ...F{next} ...F{next} }}");
    }
    text + &format!(" fragment F{levels} on Query {{ {leaf} }}")
}

#[tokio::test(flavor = "multi_thread")]
async fn fragment_bombs_are_refused_at_once() {
    let site = site(Limits::default()).await;
    site.query("{ greeting }").await;
    for document in [bomb(24, "greeting"), bomb(100, "greeting"), bomb(100, "...Nowhere"), bomb(100, "__typename")] {
        let start = Instant::now();
        let told = site.query(&document).await;
        let took = start.elapsed();
        refused(&told, 400, INVALID);
        assert!(took < Duration::from_millis(50), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_beyond_the_limits_are_refused() {
    let site = site(Limits::default()).await;
    let deep = |levels: usize| format!("{{ {} ok {} }}", "inner { ".repeat(levels), "} ".repeat(levels));
    let aliases = |count: usize| {
        let fields: Vec<_> = (0..count).map(|at| format!("a{at}: ok")).collect();
        format!("{{ inner {{ {} }} }}", fields.join(" "))
    };
    let directives = |count: usize| {
        let fields = "ok @include(if: true) ".repeat(count);
        format!("{{ inner {{ {fields} }} }}")
    };
    let roots = |count: usize| format!("{{ {} }}", "greeting ".repeat(count));
    for fine in [deep(19), aliases(60), directives(20), roots(10), bomb(3, "greeting")] {
        let told = site.query(&fine).await;
        assert_eq!(told.status, 200, "{fine}: {:?}", told.body);
    }
    for (document, code) in [
        (deep(20), INVALID),
        (deep(100), INVALID),
        (aliases(61), INVALID),
        (directives(21), INVALID),
        (roots(11), INVALID),
        (bomb(11, "greeting"), INVALID),
        ("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }".to_owned(), INVALID),
        ("{ greeting } fragment A on Query { ...A }".to_owned(), INVALID),
        (format!("{{ {} }}", "a ".repeat(2_000)), "GRAPHQL_PARSE_FAILED"),
        (format!("{{ greeting }} #{}", "x".repeat(64 << 10)), INVALID),
        (format!("{{ wish(wish: {})", "[".repeat(1_000)), INVALID),
        ("{ ".repeat(900), INVALID),
        ("{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }".to_owned(), INVALID),
        ("{ nothing }".to_owned(), INVALID),
        ("{ __typename @nothing }".to_owned(), INVALID),
        ("{ __typename @skip(if: false) @skip(if: false) }".to_owned(), INVALID),
        ("{ __typename { x } }".to_owned(), INVALID),
        ("{".to_owned(), "GRAPHQL_PARSE_FAILED"),
        ("{ greeting(name: \"\u{0}) }".to_owned(), "GRAPHQL_PARSE_FAILED"),
    ] {
        let told = site.query(&document).await;
        refused(&told, 400, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_chains_of_fragments_do_not_break_the_walk() {
    let site = site(Limits::default()).await;
    let mut chain = String::from("{ ...F0 }");
    for level in 0..240 {
        chain += &format!(" fragment F{level} on Query {{ ...F{} }}", level + 1);
    }
    chain += " fragment F240 on Query { greeting }";
    refused(&site.query(&chain).await, 400, INVALID);
    let nested = "inner { ".repeat(18);
    let closed = "} ".repeat(18);
    let mut chain = String::from("{ ...F0 }");
    for level in 0..30 {
        let on = if level == 0 { "Query" } else { "Inner" };
        chain += &format!(" fragment F{level} on {on} {{ {nested} ...F{} {closed} }}", level + 1);
    }
    refused(&site.query(&chain).await, 400, INVALID);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standard_introspection_fits() {
    let site = site(Limits::default()).await;
    let query = "query IntrospectionQuery { __schema { description queryType { name } mutationType { name } subscriptionType { name } types { ...FullType } directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } } } }
        fragment FullType on __Type { kind name description specifiedByURL fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason } inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
        fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
        fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";
    let told = site.query(query).await;
    assert_eq!(told.status, 200, "{:?}", told.body);
    assert!(told.json()["data"]["__schema"]["types"].as_array().unwrap().len() > 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operation_is_the_one_that_was_named() {
    let site = site(Limits::default()).await;
    let two = "query A { greeting } query B { caller }";
    let ask = async |query: &str, name: Option<&str>| site.post(json!({"query": query, "operationName": name})).await;
    assert_eq!(ask(two, Some("B")).await.json()["data"]["caller"], "Admin");
    const UNRESOLVED: &str = "OPERATION_RESOLUTION_FAILURE";
    refused(&ask(two, None).await, 400, UNRESOLVED);
    refused(&ask(two, Some("C")).await, 400, UNRESOLVED);
    refused(&ask("{ greeting }", Some("C")).await, 400, UNRESOLVED);
    assert_eq!(ask("query A { greeting }", None).await.status, 200);
    assert_eq!(ask("{ greeting }", Some("")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_never_runs_a_field_twice_under_one_name() {
    let site = site(Limits::default()).await;
    for query in ["mutation { bump bump }", "mutation { bump ...F } fragment F on Mutation { bump }"] {
        refused(&site.query(query).await, 400, INVALID);
    }
    let told = site.query("mutation { bump again: bump }").await;
    assert_eq!(told.json()["data"], json!({"bump": 1, "again": 2}));
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_are_held_against_their_types() {
    let site = site(Limits::default()).await;
    let wish = "query ($wish: Wish!) { wish(wish: $wish) }";
    let ask = async |query: &str, variables: Value| site.post(json!({"query": query, "variables": variables})).await;
    let told = ask(wish, json!({"wish": {"word": "ab", "times": 2, "colour": "RED"}})).await;
    assert_eq!(told.json()["data"]["wish"], "abab");
    for variables in [
        json!({}),
        json!({"wish": null}),
        json!({"wish": "ab"}),
        json!({"wish": {}}),
        json!({"wish": {"word": null}}),
        json!({"wish": {"word": 1}}),
        json!({"wish": {"word": "s3cret", "times": "2"}}),
        json!({"wish": {"word": "s3cret", "times": 2.5}}),
        json!({"wish": {"word": "s3cret", "times": 3_000_000_000_u64}}),
        json!({"wish": {"word": "s3cret", "colour": "BLUE"}}),
        json!({"wish": {"word": "s3cret", "nothing": 1}}),
    ] {
        let told = ask(wish, variables).await;
        refused(&told, 400, "BAD_USER_INPUT");
        assert!(!String::from_utf8_lossy(&told.body).contains("s3cret"));
    }
    // The same faults written into the document.
    for (query, code) in [
        ("{ wish(wish: {word: 1}) }", "BAD_USER_INPUT"),
        ("{ wish(wish: {}) }", "BAD_USER_INPUT"),
        ("{ wish }", INVALID),
        ("{ sleep(ms: -1) }", "BAD_USER_INPUT"),
    ] {
        let told = site.query(query).await;
        assert_eq!(told.code(), code, "{query}: {:?}", told.body);
    }
    let told = ask("query ($n: String = \"Ada\") { greeting(name: $n) }", json!({})).await;
    assert_eq!(told.json()["data"]["greeting"], "Hello, Ada");
    let told = ask("query ($i: [ID!]!) { greeting @skip(if: false) x: greeting }", json!({"i": 1})).await;
    assert_eq!(told.code(), INVALID, "unused, but a single value is a list of one");
}
