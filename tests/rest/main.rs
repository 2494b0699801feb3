//! The REST dialects, asked over HTTP.

mod ledger;
mod massrouter;
mod oauth;
