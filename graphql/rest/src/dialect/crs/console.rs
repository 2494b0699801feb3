//! What the console asks for beyond the documented endpoints.

pub mod account;
pub mod calls;
pub mod cards;
pub mod config;
pub mod failures;
pub mod key;
pub mod people;
pub mod pricing;
pub mod served;
pub mod spa;
pub mod webhook;
