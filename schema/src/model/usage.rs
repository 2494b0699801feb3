//! Single calls as they were booked.

pub mod batch;

pub use batch::{Counts, Recorded, Settlement};
