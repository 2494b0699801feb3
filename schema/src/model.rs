//! Rows and their queries, one file a resource. No rules live here; a question about one row may.

pub mod account;
pub mod account_event;
pub mod account_group;
pub mod announcement;
pub mod api_key;
pub mod audit;
pub mod card;
pub mod catalog;
pub mod idempotency;
pub mod lease;
pub mod ledger;
pub mod lock;
pub mod order;
pub mod partition;
pub mod payment_event;
pub mod pin;
pub mod plan;
pub mod request_log;
pub mod revenue;
pub mod rollup;
pub mod session;
pub mod setting;
pub mod subscription;
pub mod task;
pub mod usage;
pub mod user;
