//! The management server; by default the whole product in one process.

use relay::edge::{self, start, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() {
    let (command, config) = start::read("graphql", "127.0.0.1:18080");
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
    // What is said at the terminal holds: a second process on one file has been refused before.
    if let Err(e) = graphql::process::start(&app).await {
        start::fail(&[start::sentence(&e)]);
    }
    if let Err(e) = graphql::process::welcome(&app, at).await {
        start::give_up(&app, &e).await;
    }
    let entrance = graphql::process::entrance(&app);
    edge::serve(&app, listener, move |request| entrance.clone().answer(request)).await;
    app.shut_down().await;
}
