//! The graph, asked over HTTP.

mod money;
mod people;
mod schema_file;
mod settings;
mod watching;
