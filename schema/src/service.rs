//! The rules of the business, one file a resource: `verb(app, actor, args)`.
//!
//! A service checks who may, works in one transaction that also writes the audit row, commits, and
//! then tells the bus. Faces translate; they decide nothing.

pub mod account;
pub mod account_group;
pub mod address;
pub mod admission;
pub mod allowance;
pub mod announcement;
pub mod api_key;
pub mod audit;
pub mod card;
pub mod catalog;
pub mod directory;
pub mod exchange;
pub mod export;
pub mod field;
pub mod follow;
pub mod guard;
pub mod idempotency;
pub mod journal;
pub mod llm;
pub mod low_balance;
pub mod mail;
pub mod nested;
pub mod oauth_login;
pub mod order;
pub mod password;
pub mod plan;
pub mod price;
pub mod ratio;
pub mod report;
pub mod request_log;
pub mod revenue;
pub mod routing;
pub mod session;
pub mod setting;
pub mod settle;
pub mod subscription;
pub mod sweep;
pub mod task;
pub mod token;
pub mod usage;
pub mod user;
pub mod wallet;
