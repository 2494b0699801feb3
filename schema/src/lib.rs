//! The shape of the business: its tables, its rows and its rules.
//!
//! Floors, each importing only what stands below it:
//! `service` (rules; the only writer of transactions, caches and events) → `model` (rows and their
//! queries) → `table` (generated) and the leaves (`db`, `kv`, `bus`, `config`, `error`, `actor`, …).

pub mod actor;
pub mod app;
pub mod bus;
pub mod clock;
pub mod config;
pub mod csv;
pub mod db;
pub mod error;
pub mod extras;
pub mod id;
pub mod kv;
pub mod mail;
pub mod metrics;
pub mod model;
pub mod money;
pub mod net;
pub mod page;
pub mod payment;
pub mod seal;
pub mod secret;
pub mod service;
pub mod table;
#[cfg(test)]
mod testing;
pub mod value;

pub use actor::{Act, Actor, Face, Role};

pub use app::App;
pub use clock::{Clock, Time};
pub use config::Config;

pub use error::{Error, Result};
pub use money::Micros;
