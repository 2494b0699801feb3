//! Model calls through the whole product: real router, real database, fake vendors that check what they are sent.

mod cuts;
mod dialects;
mod doors;
mod failover;
mod limits;
mod logins;
mod pairs;
mod pins;
mod proxies;
mod realtime;
mod refusals;
mod slice;
mod streams;
mod surfaces;
mod tongue;
mod vendors;
mod tasks;
mod world;
