//! Model calls through the whole product: real router, real database, fake vendors that check what they are sent.

mod background;
mod bindings;
mod bounds;
mod cuts;
mod dialects;
mod doors;
mod failover;
mod forbidden;
mod limits;
mod logins;
mod pairs;
mod pins;
mod proxies;
mod realtime;
mod refusals;
mod renewals;
mod slice;
mod streams;
mod surfaces;
mod tasks;
mod tongue;
mod vendors;
mod world;
