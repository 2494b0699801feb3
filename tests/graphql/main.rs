//! The graph, asked over HTTP.

mod accounts;
mod bad_input;
mod catalogue;
mod examples;
mod exports;
mod filters;
mod keys;
mod money;
mod people;
mod racing;
mod repeats;
mod reports;
mod roles;
mod schema_file;
mod settings;
mod statements;
mod strangers;
mod trade;
mod trusted;
mod watching;
mod world;
