//! Rows and their queries, one file a resource. No rules live here; a question about one row may.

pub mod audit;
pub mod idempotency;
pub mod ledger;
pub mod lock;
pub mod session;
pub mod setting;
pub mod user;
