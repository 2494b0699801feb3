//! The graph, asked over HTTP.

mod people;
