//! The graph, asked over HTTP.
#![expect(clippy::unwrap_used, reason = "tests")]

mod people;
