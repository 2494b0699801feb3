//! The REST dialects, asked over HTTP through the real router.

mod commercial;
mod crs;
mod crs_cards;
mod crs_console;
mod crs_every;
mod crs_oauth;
mod every;
mod ledger;
mod mail;
mod massrouter;
mod newapi;
mod oauth;
mod openapi;
mod views;
mod world;
