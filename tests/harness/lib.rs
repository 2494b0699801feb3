//! What the suite stands on: private database servers and fake upstreams that check what they are sent.

pub mod app;
pub mod client;
pub mod fake_mail;
pub mod fake_pay;
pub mod fake_upstream;
pub mod services;
pub mod watch;

pub use app::{PASSWORD, TestApp, at, scaled};
pub use client::{Answer, Client};
