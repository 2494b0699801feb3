//! Model calls through the whole product: real router, real database, fake vendors that check what they are sent.
mod slice;
mod world;
