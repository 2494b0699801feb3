//! Who may ask for what: every root field by every role, held against the table in `roles.txt`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::future::join_all;
use harness::{Client, PASSWORD, TestApp, at};
use schema::{Micros, Role};
use serde_json::{Map, Value, json};

use crate::world::id;

const TABLE: &str = include_str!("roles.txt");
const ROLES: [&str; 4] = ["everyone", "user", "admin", "super"];

fn table() -> BTreeMap<(String, String), usize> {
    let rows = TABLE.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    rows.map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let least = ROLES.iter().position(|role| *role == words[2]).unwrap_or_else(|| panic!("a role: {line}"));
        ((words[0].to_owned(), words[1].to_owned()), least)
    })
    .collect()
}

const INTROSPECTION: &str = "{ __schema { queryType { fields { ...F } } mutationType { fields { ...F } } \
     subscriptionType { fields { ...F } } \
     types { name kind inputFields { name defaultValue type { ...T } } enumValues { name } isOneOf } } } \
     fragment F on __Field { name args { name defaultValue type { ...T } } type { ...T } } \
     fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// Writes operations out of the schema.
struct Writer {
    types: HashMap<String, Value>,
}

impl Writer {
    /// A value of a type; `None` where nothing has to be given.
    fn value(&self, field: &str, name: &str, ty: &Value) -> Option<Value> {
        (ty["kind"] == "NON_NULL").then(|| self.some(field, name, &ty["ofType"]))
    }

    fn some(&self, field: &str, name: &str, ty: &Value) -> Value {
        match ty["kind"].as_str().unwrap_or("") {
            "NON_NULL" => self.some(field, name, &ty["ofType"]),
            "LIST" => json!([self.some(field, name, &ty["ofType"])]),
            kind => self.named(field, name, kind, ty["name"].as_str().unwrap_or("")),
        }
    }

    fn named(&self, field: &str, name: &str, kind: &str, ty: &str) -> Value {
        let whole = &self.types[ty];
        match (kind, ty) {
            ("ENUM", _) => whole["enumValues"][0]["name"].clone(),
            ("INPUT_OBJECT", _) => {
                let fields = whole["inputFields"].as_array().unwrap();
                let given = |f: &Value| f["name"].as_str().unwrap().to_owned();
                if whole["isOneOf"] == true {
                    let first = &fields[0];
                    return json!({ given(first): self.some(field, &given(first), &first["type"]) });
                }
                let mut map = Map::new();
                for f in fields.iter().filter(|f| f["defaultValue"].is_null()) {
                    if let Some(value) = self.value(field, &given(f), &f["type"]) {
                        map.insert(given(f), value);
                    }
                }
                more(field, &mut map);
                map.into()
            }
            (_, "ID") => id_of(field, name).into(),
            (_, "Int" | "Float") => json!(1),
            (_, "Boolean") => json!(false),
            (_, "BigInt" | "Decimal") => json!("1"),
            (_, "DateTime") => json!("2026-01-01T00:00:00Z"),
            (_, "JSON") => json!({}),
            _ => json!("x"),
        }
    }

    /// An operation that names one root field, with the least it has to be given.
    fn operation(&self, kind: &str, field: &Value) -> (String, Value) {
        let name = field["name"].as_str().unwrap();
        let (mut heads, mut places, mut variables) = (Vec::new(), Vec::new(), Map::new());
        for argument in field["args"].as_array().unwrap() {
            let arg = argument["name"].as_str().unwrap();
            let Some(value) = self.value(name, arg, &argument["type"]) else { continue };
            heads.push(format!("${arg}: {}", written(&argument["type"])));
            places.push(format!("{arg}: ${arg}"));
            variables.insert(arg.to_owned(), value);
        }
        let brackets =
            |parts: &[String]| if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) };
        let selection = if self.is_composite(&field["type"]) { " { __typename }" } else { "" };
        let text = format!("{kind} {} {{ {name}{}{selection} }}", brackets(&heads), brackets(&places));
        (text, variables.into())
    }

    fn is_composite(&self, ty: &Value) -> bool {
        match ty["kind"].as_str().unwrap_or("") {
            "NON_NULL" | "LIST" => self.is_composite(&ty["ofType"]),
            kind => matches!(kind, "OBJECT" | "INTERFACE" | "UNION"),
        }
    }
}

fn written(ty: &Value) -> String {
    match ty["kind"].as_str().unwrap_or("") {
        "NON_NULL" => format!("{}!", written(&ty["ofType"])),
        "LIST" => format!("[{}]", written(&ty["ofType"])),
        _ => ty["name"].as_str().unwrap().to_owned(),
    }
}

/// What a field wants beside what it has to be given.
fn more(field: &str, input: &mut Map<String, Value>) {
    let (name, value) = match field {
        "cardsGenerate" => ("value", json!("1")),
        "orderCreate" => ("topup", json!({ "amount": "1", "currency": "USD" })),
        _ => return,
    };
    if input.contains_key("count") || input.contains_key("method") {
        input.insert(name.into(), value);
    }
}

/// An id of the kind a field or argument asks for, of a row there is not.
fn id_of(field: &str, name: &str) -> String {
    const KINDS: [&str; 13] = [
        "AccountGroup",
        "Account",
        "Announcement",
        "ApiKey",
        "UsageRecord",
        "CardRedemption",
        "Card",
        "Export",
        "Model",
        "Order",
        "Plan",
        "Task",
        "User",
    ];
    let name = name.strip_suffix('s').unwrap_or(name);
    let wanted = match name {
        "id" => field.to_owned(),
        "ownerId" => "user".to_owned(),
        "stickyAccountId" => "account".to_owned(),
        other => other.strip_suffix("Id").unwrap_or(other).to_owned(),
    };
    let wanted = wanted.to_lowercase();
    let kind = KINDS.iter().find(|kind| wanted.starts_with(&kind.to_lowercase())).unwrap_or(&"User");
    id(kind, 987_654)
}

fn code(answer: &Value) -> &str {
    at(answer, "errors.0.extensions.code").as_str().unwrap_or("")
}

/// What is wrong with an answer to somebody of a role, if anything is.
fn fault(role: usize, least: usize, code: &str) -> Option<String> {
    let refused = ["UNAUTHENTICATED", "FORBIDDEN"].contains(&code);
    let right = match (role >= least, role) {
        (true, _) => !refused && code != "INTERNAL_SERVER_ERROR",
        (false, 0) => code == "UNAUTHENTICATED",
        (false, _) => code == "FORBIDDEN",
    };
    (!right).then(|| format!("{} was answered {code:?}", ROLES[role]))
}

/// Nobody, a user, an administrator and a super administrator.
async fn callers(app: &TestApp, names: [&str; 3]) -> Vec<Client> {
    let mut clients = vec![app.anonymous()];
    for (name, role) in names.into_iter().zip([Role::User, Role::Admin, Role::SuperAdmin]) {
        app.person(name, role, Micros::ZERO).await;
        clients.push(app.sign_in(name, PASSWORD).await);
    }
    clients
}

#[tokio::test(flavor = "multi_thread")]
async fn every_root_field_admits_the_roles_of_the_table_and_no_others() {
    let app = TestApp::new().await;
    let stayers = callers(&app, ["ann", "bea", "cid"]).await;
    // Those who sign out, and those who remove themselves, can ask for nothing afterwards.
    let leaving = callers(&app, ["dan", "eve", "flo"]).await;
    let going = callers(&app, ["gus", "hal", "ida"]).await;
    let schema = app.admin().await.data(INTROSPECTION, json!({})).await;
    let types = at(&schema, "__schema.types").as_array().unwrap();
    let writer = Writer { types: types.iter().map(|t| (t["name"].as_str().unwrap().to_owned(), t.clone())).collect() };
    let mut table = table();
    let mut faults = Vec::new();
    for kind in ["query", "mutation", "subscription"] {
        let fields = at(&schema, &format!("__schema.{kind}Type.fields")).as_array().unwrap();
        for field in fields {
            let name = field["name"].as_str().unwrap();
            let Some(least) = table.remove(&(kind.to_owned(), name.to_owned())) else {
                faults.push(format!("{kind} {name} is not in the table"));
                continue;
            };
            let (text, variables) = writer.operation(kind, field);
            let clients = match name {
                "signOut" => &leaving,
                "userDelete" => &going,
                _ => &stayers,
            };
            let asked = clients.iter().enumerate().map(|(role, client)| {
                let (text, mut variables) = (&text, variables.clone());
                async move {
                    if name == "userDelete" && role > 0 {
                        let me = client.data("{ viewer { id } }", json!({})).await;
                        variables["input"]["id"] = at(&me, "viewer.id").clone();
                    }
                    let answer = match kind {
                        "subscription" => watched(client, text, variables).await,
                        _ => client.graphql(text, variables).await,
                    };
                    fault(role, least, code(&answer)).map(|why| format!("{text}: {why}: {answer}"))
                }
            });
            faults.extend(join_all(asked).await.into_iter().flatten());
        }
    }
    faults.extend(table.into_keys().map(|(kind, name)| format!("{kind} {name} is in the table and not in the graph")));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The first word of a subscription, as an answer; null when nothing is said for a while.
async fn watched(client: &Client, text: &str, variables: Value) -> Value {
    let mut socket = client.watch(text, variables).await;
    match tokio::time::timeout(Duration::from_millis(400), socket.hear()).await {
        Ok(told) if told["type"] == "error" => json!({ "errors": told["payload"] }),
        Ok(told) => told["payload"].clone(),
        Err(_) => Value::Null,
    }
}
