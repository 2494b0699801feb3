//! Model calls through the whole product: real router, real database, fake vendors that check what they are sent.
#![expect(clippy::unwrap_used, reason = "tests")]

mod slice;
mod world;
