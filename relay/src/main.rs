//! The relay alone: model calls on one port, for installations that scale it apart from the management server.

use relay::edge::{self, health, start, telemetry};
use relay::entrance::Entrance;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() {
    let (command, config) = start::read("relay", "127.0.0.1:18081");
    if let Err(fault) = telemetry::start(&config) {
        start::fail(&[fault]);
    }
    let Some(app) = start::run(command, config).await else { return };
    let listener = match edge::bind(app.config.listen).await {
        Ok(listener) => listener,
        Err(e) => start::fail(&[start::sentence(&e)]),
    };
    let at = edge::place(&listener, app.config.listen);
    let (stop, stopped) = (app.stop.clone(), start::stopped());
    tokio::spawn(async move {
        stopped.await;
        tracing::info!("stopping");
        stop.cancel();
    });
    if let Err(e) = schema::service::settle::start(&app).await {
        start::fail(&[start::sentence(&e)]);
    }
    // Leases decide which of several processes does what is due.
    schema::service::sweep::start(&app);
    relay::start(&app);
    start::say(&format!("serving model calls on http://{at}"));
    let entrance = Entrance::new(&app, true, health::router().merge(relay::router(&app)));
    edge::serve(&app, listener, move |request| entrance.clone().answer(request)).await;
    app.shut_down().await;
}
