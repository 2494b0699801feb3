//! The transport over a toy schema, to run the protocol audits against: prints its address and serves.

use graphql::transport;

#[path = "../src/transport/tests/world.rs"]
mod world;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    let app = transport::router(world::world().0, world::Door::default(), transport::Settings::default())
        .merge(transport::graphiql::router());
    tracing::info!(address = %listener.local_addr()?, "serving");
    axum::serve(listener, app.into_make_service_with_connect_info::<std::net::SocketAddr>()).await
}
