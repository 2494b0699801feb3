//! The graph, asked over HTTP.

mod accounts;
mod keys;
mod money;
mod people;
mod schema_file;
mod settings;
mod trade;
mod watching;
