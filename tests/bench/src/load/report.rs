//! What a run found out, and how it is told.

use serde_json::{Value, json};

use super::{Errors, Window};
use crate::histogram::Histogram;

/// One answered request.
pub(super) struct Outcome {
    pub(super) latency_ns: u64,
    pub(super) first_byte_ns: u64,
    /// How long after it was due it was sent.
    pub(super) late_ns: u64,
    pub(super) chunks: u64,
    pub(super) bytes: u64,
}

pub(super) struct Figures {
    pub(super) answered: u64,
    pub(super) errors: Errors,
    pub(super) window: Window,
    latency: Histogram,
    first_byte: Histogram,
    late: Histogram,
    gaps: Histogram,
    chunks: u64,
    bytes: u64,
}

impl Figures {
    pub(super) fn new() -> Figures {
        Figures {
            answered: 0,
            errors: Errors::new(),
            window: Window::default(),
            latency: Histogram::new(),
            first_byte: Histogram::new(),
            late: Histogram::new(),
            gaps: Histogram::new(),
            chunks: 0,
            bytes: 0,
        }
    }

    pub(super) fn gaps_if(&mut self, wanted: bool) -> Option<&mut Histogram> {
        wanted.then_some(&mut self.gaps)
    }

    pub(super) fn add(&mut self, outcome: &Outcome) {
        self.answered += 1;
        self.latency.record(outcome.latency_ns);
        self.first_byte.record(outcome.first_byte_ns);
        self.late.record(outcome.late_ns);
        self.chunks += outcome.chunks;
        self.bytes += outcome.bytes;
    }

    pub(super) fn merge(&mut self, other: &Figures) {
        self.answered += other.answered;
        for (fault, count) in &other.errors {
            *self.errors.entry(fault.clone()).or_default() += count;
        }
        self.latency.merge(&other.latency);
        self.first_byte.merge(&other.first_byte);
        self.late.merge(&other.late);
        self.gaps.merge(&other.gaps);
        self.chunks += other.chunks;
        self.bytes += other.bytes;
    }

    fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    fn per_second(&self) -> f64 {
        if self.window.seconds > 0.0 { self.answered as f64 / self.window.seconds } else { 0.0 }
    }

    pub(super) fn to_json(&self, label: &str) -> Value {
        let (row, scenario) = label.split_once('/').unwrap_or((label, ""));
        let answered = self.answered.max(1) as f64;
        json!({
            "row": row, "scenario": scenario, "seconds": self.window.seconds, "answered": self.answered,
            "failed": self.failed(), "errors": self.errors, "per_second": self.per_second(),
            "latency_us": quantiles(&self.latency), "first_byte_us": quantiles(&self.first_byte),
            "late_us": quantiles(&self.late), "gap_us": quantiles(&self.gaps), "chunks": self.chunks, "bytes": self.bytes,
            "cpu_us": self.window.cpu_us, "cpu_us_per_request": self.window.cpu_us.map(|cpu| cpu as f64 / answered),
            "cpu_ms_per_1000_chunks": self.window.cpu_us.map(|cpu| cpu as f64 / self.chunks.max(1) as f64),
            "rss_first_kib": self.window.first_rss_kib, "rss_peak_kib": self.window.peak_rss_kib
        })
    }

    pub(super) fn to_text(&self) -> String {
        let mut lines = vec![format!(
            "{} answered, {} failed in {:.1} s: {:.0}/s",
            self.answered,
            self.failed(),
            self.window.seconds,
            self.per_second()
        )];
        let mut times = |name: &str, histogram: &Histogram| {
            if histogram.count() > 0 {
                let [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999].map(|share| histogram.quantile(share) as f64 / 1e6);
                let max = histogram.max() as f64 / 1e6;
                lines.push(format!(
                    "{name:<12} p50 {p50:.3}  p90 {p90:.3}  p99 {p99:.3}  p99.9 {p999:.3}  max {max:.3} ms"
                ));
            }
        };
        times("latency", &self.latency);
        times("first byte", &self.first_byte);
        times("sent late by", &self.late);
        times("chunk gap", &self.gaps);
        if let Some(cpu) = self.window.cpu_us {
            lines.push(format!(
                "CPU {:.1} µs a request, {:.1} ms per 1,000 chunks; resident {} KiB at first, {} KiB at most",
                cpu as f64 / self.answered.max(1) as f64,
                cpu as f64 / self.chunks.max(1) as f64,
                self.window.first_rss_kib,
                self.window.peak_rss_kib
            ));
        }
        lines.extend(self.errors.iter().map(|(fault, count)| format!("  {count} × {fault}")));
        lines.join("\n")
    }
}

fn quantiles(histogram: &Histogram) -> Value {
    let us = |ns: u64| ns as f64 / 1000.0;
    json!({
        "p50": us(histogram.quantile(0.5)), "p90": us(histogram.quantile(0.9)), "p99": us(histogram.quantile(0.99)),
        "p999": us(histogram.quantile(0.999)), "max": us(histogram.max()), "mean": histogram.mean() / 1000.0
    })
}
