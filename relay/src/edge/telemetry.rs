//! Logs to standard error, as text or JSON; spans to an OpenTelemetry collector when one is named.

use std::io::IsTerminal;

use schema::Config;
use tracing::Subscriber;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

mod otlp;

/// Starts logging; a filter that does not read is a sentence for the operator.
pub fn start(config: &Config) -> Result<(), String> {
    let filter = EnvFilter::try_new(&config.log.filter).map_err(|e| format!("LOG is no log filter: {e}"))?;
    let registry = tracing_subscriber::registry();
    let started = match &config.otlp_endpoint {
        None => registry.with(filter).with(lines(config)).try_init(),
        // A quiet log takes nothing from the collector.
        Some(endpoint) => {
            let spans = otlp::layer(endpoint).map_err(|e| format!("spans cannot be sent: {e}"))?;
            registry.with(lines(config).with_filter(filter)).with(spans.with_filter(LevelFilter::INFO)).try_init()
        }
    };
    started.map_err(|e| format!("logging could not start: {e}"))
}

/// The log as text or JSON.
fn lines<S>(config: &Config) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if config.log.json {
        return layer.json().boxed();
    }
    // Colours are for people; a file or a collector would keep them as rubbish.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    layer.with_target(false).with_ansi(colours).boxed()
}
