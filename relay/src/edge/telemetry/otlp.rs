//! Spans over OTLP/HTTP in JSON, in batches; a collector that is away costs spans, never calls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

const QUEUE: usize = 4096;
const BATCH: usize = 512;
/// How often a batch is tried before its spans are given up.
const TRIES: u32 = 3;

/// The layer that sends.
pub fn layer(endpoint: &str) -> reqwest::Result<Exporter> {
    // Logging starts before all else that speaks TLS.
    schema::app::install_crypto();
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
    let (sender, queue) = mpsc::channel(QUEUE);
    tokio::spawn(send(client, format!("{endpoint}/v1/traces"), queue));
    Ok(Exporter { sender, next: AtomicU64::new(u64::from_le_bytes(schema::id::random::<8>())) })
}

/// Collects closed spans.
pub struct Exporter {
    sender: mpsc::Sender<Value>,
    next: AtomicU64,
}

/// What a span knows of itself while it is open.
struct Open {
    trace: String,
    span: String,
    parent: Option<String>,
    started: u128,
    /// Part of another span of this process.
    inside: bool,
    fields: Vec<Value>,
}

impl<S> Layer<S> for Exporter
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let inherited =
            span.parent().and_then(|p| p.extensions().get::<Open>().map(|o| (o.trace.clone(), o.span.clone())));
        let inside = inherited.is_some();
        let (trace, parent) = match inherited.or(fields.caller.take()) {
            Some((trace, parent)) => (trace, Some(parent)),
            None => (schema::id::hex(&schema::id::random::<16>()), None),
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let open =
            Open { trace, span: format!("{number:016x}"), parent, started: nanos(), inside, fields: fields.list };
        span.extensions_mut().insert(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            open.fields.append(&mut fields.list);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(open) = span.extensions_mut().remove::<Open>() else { return };
        let mut value = json!({
            "traceId": open.trace,
            "spanId": open.span,
            "name": span.name(),
            // INTERNAL, or SERVER.
            "kind": if open.inside { 1 } else { 2 },
            "startTimeUnixNano": open.started.to_string(),
            "endTimeUnixNano": nanos().to_string(),
            "attributes": open.fields,
        });
        if let Some(parent) = open.parent {
            value["parentSpanId"] = parent.into();
        }
        // A full queue means the collector is slow or away.
        let _ = self.sender.try_send(value);
    }
}

#[derive(Default)]
struct Fields {
    list: Vec<Value>,
    /// The trace and the span that a caller named as `traceparent`.
    caller: Option<(String, String)>,
}

/// The trace and the span of a W3C `traceparent`; `None` for what is none.
fn caller(text: &str) -> Option<(String, String)> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let set = |part: &str| part.bytes().any(|b| b != b'0');
    let sound = hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2) && set(trace) && set(span);
    sound.then(|| (trace.to_owned(), span.to_owned()))
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.list.push(json!({ "key": field.name(), "value": { "stringValue": format!("{value:?}") } }));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "traceparent" {
            self.caller = caller(value);
            return;
        }
        self.list.push(json!({ "key": field.name(), "value": { "stringValue": value } }));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.list.push(json!({ "key": field.name(), "value": { "intValue": value.to_string() } }));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.list.push(json!({ "key": field.name(), "value": { "intValue": value.to_string() } }));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.list.push(json!({ "key": field.name(), "value": { "boolValue": value } }));
    }
}

fn nanos() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos())
}

async fn send(client: reqwest::Client, url: String, mut queue: mpsc::Receiver<Value>) {
    let mut spans = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut spans, BATCH).await > 0 {
        let body = json!({ "resourceSpans": [{
            "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "tollgate" } }] },
            "scopeSpans": [{ "scope": { "name": "tollgate" }, "spans": std::mem::take(&mut spans) }],
        }] });
        for pause in 1..=TRIES {
            match client.post(&url).json(&body).send().await {
                // What a collector refuses it would refuse again, unless it says that it is busy.
                Ok(answer) if !matches!(answer.status().as_u16(), 429 | 502..=504) => break,
                _ => tokio::time::sleep(Duration::from_secs(pause.into())).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_names_its_trace_or_nothing() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        assert_eq!(caller(&format!("00-{trace}-{span}-01")), Some((trace.to_owned(), span.to_owned())));
        let nothing = "0".repeat(32);
        for bad in ["", "00", &format!("00-{trace}-{span}"), &format!("00-{nothing}-{span}-01"), "00-x-y-z"] {
            assert_eq!(caller(bad), None, "{bad}");
        }
    }
}
