//! newapi, massrouter and the ledger: every line of their tables is called as their clients would call it, and
//! answers what their documents promise, field by field.

mod ledger;
mod massrouter;
mod newapi;

use harness::Client;
use rest::dialect::Row;
use rest::openapi::documented::{self, permitted, promised};
use serde_json::Value;

use crate::crs_every::has;
use crate::openapi::misfit;
use crate::world::World;

/// A walk through one system's table.
struct Walk {
    w: World,
    system: &'static str,
    table: &'static [Row],
}

impl Walk {
    async fn new(system: &'static str, table: &'static [Row]) -> Self {
        Self { w: World::new().await, system, table }
    }

    /// Calls a line of the table, and expects a success with what the document shows of it and these members as well.
    async fn step(
        &mut self,
        who: &Client,
        (method, pattern): (&str, &str),
        parameters: &[&str],
        body: Value,
        wanted: &[&str],
    ) -> Value {
        let place = format!("{method} {pattern}");
        let answer = self.w.call_as(who, method, pattern, parameters, body).await;
        assert_eq!(answer.status, 200, "{place}: {}", answer.text);
        let said = answer.json();
        assert!(said.get("success").is_none_or(|done| done == true), "{place}: {}", answer.text);
        let path = pattern.split('?').next().unwrap_or(pattern);
        // A path that ends in a slash answers in the deployed system's shape.
        let document = documented::of(self.system, method, path).filter(|_| !path.ends_with('/'));
        if let Some(document) = document
            && let Some(example) = &document.response
        {
            let promise = promised(example);
            let promise = if document.as_asked { permitted(promise) } else { promise };
            let why = misfit(&Value::Null, &promise, &said);
            assert!(why.is_none(), "{place}: {}: {said}", why.unwrap_or_default());
            if let Some(words) = example.get("message").filter(|words| *words != "") {
                let same = |words: &Value| words.as_str().map(|w| w.replace(|c: char| c.is_ascii_digit(), ""));
                assert_eq!(same(&said["message"]), same(words), "{place}");
            }
        }
        has(&said, wanted);
        said
    }

    /// Refuses to end while a line of the table was not called.
    fn end(&self) {
        let missed = self.w.missed(self.table);
        assert!(missed.is_empty(), "nobody called {missed:#?}");
    }
}
