//! Logs to standard error, as text or JSON; spans to an OpenTelemetry collector when one is named.

use std::io::IsTerminal;

use schema::Config;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

mod otlp;

/// Starts logging; a filter that does not read is a sentence for the operator.
pub fn start(config: &Config) -> Result<(), String> {
    let filter = EnvFilter::try_new(&config.log.filter).map_err(|e| format!("LOG is no log filter: {e}"))?;
    let lines = if config.log.json {
        tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr).boxed()
    } else {
        // Colours are for people; a file or a collector would keep them as rubbish.
        let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let layer = tracing_subscriber::fmt::layer().with_target(false).with_ansi(colours);
        layer.with_writer(std::io::stderr).boxed()
    };
    let spans = config.otlp_endpoint.as_ref().map(|endpoint| otlp::layer(endpoint));
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(spans)
        .try_init()
        .map_err(|e| format!("logging could not start: {e}"))
}
