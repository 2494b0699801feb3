//! The REST dialects, asked over HTTP through the real router.

mod crs;
mod ledger;
mod massrouter;
mod newapi;
mod oauth;
mod openapi;
