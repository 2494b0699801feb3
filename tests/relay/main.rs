//! Model calls through the whole product: real router, real database, fake vendors that check what they are sent.

mod dialects;
mod failover;
mod limits;
mod refusals;
mod slice;
mod streams;
mod world;
