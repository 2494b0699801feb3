//! Translation between the dialects models are called in: pure functions from bytes to bytes.

pub mod edit;
pub mod estimate;
pub mod usage;
