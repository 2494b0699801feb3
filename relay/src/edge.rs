//! The rim both binaries share: listening, who is calling, request ids, health, metrics, logs.

pub mod health;
pub mod origin;
mod patience;
pub mod serve;
pub mod start;
pub mod telemetry;

pub use origin::Origin;
pub use serve::{bind, place, serve};
