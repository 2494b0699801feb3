//! What `/metrics` shows, in Prometheus' text form: plain counters, labelled families, histograms.
//!
//! Everything is a static declared in [`catalogue`]; counting is an atomic add (families, used off the
//! relay's hot path, take a short lock).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A figure that only grows.
pub struct Counter {
    name: &'static str,
    help: &'static str,
    value: AtomicU64,
}

/// A figure that goes up and down.
pub struct Gauge {
    name: &'static str,
    help: &'static str,
    value: AtomicI64,
}

/// Counters that differ by labels. The sets of labels must be bounded by the code that counts.
pub struct Family {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    values: Mutex<BTreeMap<Vec<String>, u64>>,
}

/// How long things took, in milliseconds.
pub struct Histogram {
    name: &'static str,
    help: &'static str,
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_ms: AtomicU64,
}

const BOUNDS: [u64; 14] = [1, 2, 5, 10, 20, 50, 100, 250, 500, 1_000, 2_500, 10_000, 60_000, 600_000];

impl Counter {
    const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, value: AtomicU64::new(0) }
    }
    pub fn add(&self, n: u64) {
        self.value.fetch_add(n, Ordering::Relaxed);
    }
    pub fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

impl Gauge {
    const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, value: AtomicI64::new(0) }
    }
    pub fn add(&self, n: i64) {
        self.value.fetch_add(n, Ordering::Relaxed);
    }
    pub fn set(&self, n: i64) {
        self.value.store(n, Ordering::Relaxed);
    }
    pub fn get(&self) -> i64 {
        self.value.load(Ordering::Relaxed)
    }
}

impl Family {
    const fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, help, labels, values: Mutex::new(BTreeMap::new()) }
    }
    pub fn add(&self, labels: &[&str]) {
        let mut values = self.values.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *values.entry(labels.iter().map(|l| (*l).to_owned()).collect()).or_default() += 1;
    }
}

impl Histogram {
    const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, buckets: [const { AtomicU64::new(0) }; BOUNDS.len() + 1], sum_ms: AtomicU64::new(0) }
    }
    pub fn note(&self, ms: u64) {
        let index = BOUNDS.iter().position(|b| ms <= *b).unwrap_or(BOUNDS.len());
        self.buckets[index].fetch_add(1, Ordering::Relaxed);
        self.sum_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

/// Every metric there is.
pub mod catalogue {
    use super::{Counter, Family, Gauge, Histogram};

    pub static HTTP_REQUESTS: Family =
        Family::new("tollgate_http_requests_total", "Requests answered, by face and status class", &["face", "status"]);
    pub static HTTP_MS: Histogram = Histogram::new("tollgate_http_request_ms", "Time to answer a management request");
    pub static GRAPHQL_OPERATIONS: Family = Family::new(
        "tollgate_graphql_operations_total",
        "GraphQL operations that ran, by type, name and outcome",
        &["type", "name", "outcome"],
    );
    pub static GRAPHQL_MS: Histogram =
        Histogram::new("tollgate_graphql_operation_ms", "Time from an operation's admission to its end");
    pub static GRAPHQL_POINTS: Counter =
        Counter::new("tollgate_graphql_points_total", "Points that GraphQL operations were charged");
    pub static CALLS: Counter = Counter::new("tollgate_calls_total", "Model calls relayed");
    pub static CALL_ERRORS: Counter = Counter::new("tollgate_call_errors_total", "Model calls that ended in an error");
    pub static CALLS_OPEN: Gauge = Gauge::new("tollgate_calls_open", "Model calls under way");
    pub static FAILOVERS: Counter = Counter::new("tollgate_failovers_total", "Attempts moved to another account");
    pub static FIRST_BYTE_MS: Histogram = Histogram::new("tollgate_first_byte_ms", "Time to the upstream's first byte");
    pub static JOURNAL_BYTES: Gauge =
        Gauge::new("tollgate_journal_bytes", "Settled calls not yet in the database, bytes");
    pub static USAGE_WRITTEN: Counter = Counter::new("tollgate_usage_rows_total", "Usage rows written to the database");
    pub static LOGS_DROPPED: Counter =
        Counter::new("tollgate_request_logs_dropped_total", "Request log rows dropped for want of room");
    pub static SUBSCRIBERS_DROPPED: Counter =
        Counter::new("tollgate_subscribers_dropped_total", "Subscribers dropped for reading too slowly");

    pub(super) static COUNTERS: &[&Counter] =
        &[&CALLS, &CALL_ERRORS, &FAILOVERS, &USAGE_WRITTEN, &LOGS_DROPPED, &SUBSCRIBERS_DROPPED, &GRAPHQL_POINTS];
    pub(super) static GAUGES: &[&Gauge] = &[&CALLS_OPEN, &JOURNAL_BYTES];
    pub(super) static FAMILIES: &[&Family] = &[&HTTP_REQUESTS, &GRAPHQL_OPERATIONS];
    pub(super) static HISTOGRAMS: &[&Histogram] = &[&HTTP_MS, &GRAPHQL_MS, &FIRST_BYTE_MS];
}

/// All of it as text.
pub fn render() -> String {
    let mut out = String::with_capacity(4096);
    for c in catalogue::COUNTERS {
        let _ = writeln!(out, "# HELP {0} {1}\n# TYPE {0} counter\n{0} {2}", c.name, c.help, c.get());
    }
    for g in catalogue::GAUGES {
        let _ = writeln!(out, "# HELP {0} {1}\n# TYPE {0} gauge\n{0} {2}", g.name, g.help, g.get());
    }
    for f in catalogue::FAMILIES {
        let _ = writeln!(out, "# HELP {0} {1}\n# TYPE {0} counter", f.name, f.help);
        for (labels, value) in f.values.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter() {
            let pairs: Vec<String> = f.labels.iter().zip(labels).map(|(n, v)| format!("{n}=\"{v}\"")).collect();
            let _ = writeln!(out, "{}{{{}}} {value}", f.name, pairs.join(","));
        }
    }
    for h in catalogue::HISTOGRAMS {
        let _ = writeln!(out, "# HELP {0} {1}\n# TYPE {0} histogram", h.name, h.help);
        let mut total = 0;
        for (index, bucket) in h.buckets.iter().enumerate() {
            total += bucket.load(Ordering::Relaxed);
            let bound = BOUNDS.get(index).map_or_else(|| "+Inf".to_owned(), u64::to_string);
            let _ = writeln!(out, "{}_bucket{{le=\"{bound}\"}} {total}", h.name);
        }
        let _ = writeln!(out, "{0}_sum {1}\n{0}_count {total}", h.name, h.sum_ms.load(Ordering::Relaxed));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_every_kind() {
        catalogue::HTTP_REQUESTS.add(&["crs", "2xx"]);
        catalogue::HTTP_MS.note(3);
        let text = render();
        assert!(text.contains("tollgate_http_requests_total{face=\"crs\",status=\"2xx\"}"));
        assert!(text.contains("tollgate_http_request_ms_bucket{le=\"5\"}"));
        assert!(text.contains("# TYPE tollgate_calls_open gauge"));
    }
}
