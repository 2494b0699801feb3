//! The table of figures, as Markdown, from the lines the runs wrote.

use serde_json::Value;

use crate::arguments::Arguments;
use crate::say;

/// A figure of the table: the scenario it comes from and how it is read from that row's line and from those of the rows
/// it is compared with.
struct Column {
    title: &'static str,
    scenario: &'static str,
    read: fn(&Value, Option<&Value>) -> Option<String>,
    /// The row that figures are set against.
    against: Option<&'static str>,
}

const COLUMNS: [Column; 12] = [
    Column {
        title: "CPU µs/request",
        scenario: "closed",
        read: |line, _| number(&line["cpu_us_per_request"], 1),
        against: None,
    },
    Column {
        title: "× nginx",
        scenario: "closed",
        read: |line, nginx| ratio("cpu_us_per_request", line, nginx),
        against: Some("nginx"),
    },
    Column { title: "requests/s", scenario: "closed", read: |line, _| number(&line["per_second"], 0), against: None },
    Column {
        title: "added p50 / p99 ms at 500/s",
        scenario: "open",
        read: |line, direct| added("latency_us", line, direct),
        against: Some("direct"),
    },
    Column {
        title: "added first byte p50 / p99 ms",
        scenario: "first-byte",
        read: |line, direct| added("first_byte_us", line, direct),
        against: Some("direct"),
    },
    Column {
        title: "longest chunk gap ms",
        scenario: "first-byte",
        read: |line, _| milliseconds(&line["gap_us"]["max"]),
        against: None,
    },
    Column {
        title: "CPU ms / 1,000 chunks",
        scenario: "chunks",
        read: |line, _| number(&line["cpu_ms_per_1000_chunks"], 1),
        against: None,
    },
    Column {
        title: "× nginx",
        scenario: "chunks",
        read: |line, nginx| ratio("cpu_ms_per_1000_chunks", line, nginx),
        against: Some("nginx"),
    },
    Column { title: "held streams broken", scenario: "hold", read: |line, _| broken(line), against: None },
    Column { title: "KiB resident / stream", scenario: "hold", read: |line, _| per_stream(line), against: None },
    Column {
        title: "CPU µs / 256 KiB prompt",
        scenario: "large",
        read: |line, _| number(&line["cpu_us_per_request"], 0),
        against: None,
    },
    Column {
        title: "× nginx",
        scenario: "large",
        read: |line, nginx| ratio("cpu_us_per_request", line, nginx),
        against: Some("nginx"),
    },
];

fn number(value: &Value, digits: usize) -> Option<String> {
    Some(format!("{:.digits$}", value.as_f64()?))
}

fn milliseconds(value: &Value) -> Option<String> {
    Some(format!("{:.1}", value.as_f64()? / 1000.0))
}

fn ratio(field: &str, line: &Value, base: Option<&Value>) -> Option<String> {
    let base = base?[field].as_f64().filter(|base| *base > 0.0)?;
    Some(format!("{:.2}", line[field].as_f64()? / base))
}

fn added(field: &str, line: &Value, base: Option<&Value>) -> Option<String> {
    let over = |quantile: &str| Some((line[field][quantile].as_f64()? - base?[field][quantile].as_f64()?) / 1000.0);
    Some(format!("{:.3} / {:.3}", over("p50")?, over("p99")?))
}

fn broken(line: &Value) -> Option<String> {
    let (answered, failed) = (line["answered"].as_u64()?, line["failed"].as_u64()?);
    Some(format!("{failed} of {}", answered + failed))
}

fn per_stream(line: &Value) -> Option<String> {
    let grown = line["rss_peak_kib"].as_f64()? - line["rss_first_kib"].as_f64()?;
    line["cpu_us"].as_f64()?;
    Some(format!("{:.1}", grown / line["answered"].as_f64().filter(|answered| *answered > 0.0)?))
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let [file] = arguments.bare() else { return Err("bench table FILE".to_owned()) };
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let lines: Result<Vec<Value>, _> =
        text.lines().filter(|line| !line.trim().is_empty()).map(serde_json::from_str).collect();
    let lines = lines.map_err(|error| format!("{file}: {error}"))?;
    say(&mut std::io::stdout(), &render(&lines));
    Ok(())
}

fn render(lines: &[Value]) -> String {
    let mut rows: Vec<&str> = Vec::new();
    for line in lines {
        let row = line["row"].as_str().unwrap_or_default();
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    // The latest run of a scenario counts.
    let find =
        |row: &str, scenario: &str| lines.iter().rev().find(|line| line["row"] == row && line["scenario"] == scenario);
    let titles = COLUMNS.map(|column| column.title).join(" | ");
    let mut out = vec![format!("| | {titles} |"), format!("|---|{}", "--:|".repeat(COLUMNS.len()))];
    for row in rows {
        let cells: Vec<String> = COLUMNS
            .iter()
            .map(|column| {
                let line = find(row, column.scenario);
                if line.is_some_and(|line| line["skipped"].is_string()) {
                    return "skipped".to_owned();
                }
                let base = column.against.and_then(|base| find(base, column.scenario));
                line.and_then(|line| (column.read)(line, base)).unwrap_or_else(|| "–".to_owned())
            })
            .collect();
        out.push(format!("| {row} | {} |", cells.join(" | ")));
    }
    for line in lines {
        let (row, scenario) = (line["row"].as_str().unwrap_or_default(), line["scenario"].as_str().unwrap_or_default());
        let skipped = line["skipped"].as_str().map(|why| format!("\n{row}: skipped, {why}"));
        let note = line["note"].as_str().map(|note| format!("\n{row}: {note}"));
        let errors = line["errors"].as_object().into_iter().flatten();
        let errors = errors.map(|(fault, count)| format!("\n{row}, {scenario}: {count} × {fault}"));
        for remark in skipped.into_iter().chain(note).chain(errors) {
            if !out.contains(&remark) {
                out.push(remark);
            }
        }
    }
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_are_set_against_direct_and_nginx() {
        let times = |p50: f64| json!({ "p50": p50, "p99": p50 * 2.0, "max": p50 * 3.0 });
        let lines = [
            json!({ "row": "direct", "scenario": "open", "latency_us": times(200.0) }),
            json!({ "row": "nginx", "scenario": "closed", "cpu_us_per_request": 20.0, "per_second": 30000.0 }),
            json!({ "row": "ours", "scenario": "closed", "cpu_us_per_request": 30.0, "per_second": 25000.0, "errors": {"status 500": 2} }),
            json!({ "row": "ours", "scenario": "open", "latency_us": times(450.0) }),
            json!({ "row": "ours", "scenario": "hold", "answered": 4999, "failed": 1 }),
            json!({ "row": "scaled", "scenario": "closed", "skipped": "no PostgreSQL" }),
            json!({ "row": "scaled", "scenario": "open", "skipped": "no PostgreSQL" }),
        ];
        let table = render(&lines);
        assert!(table.contains("| nginx | 20.0 | 1.00 | 30000 | – |"), "{table}");
        assert!(table.contains("| ours | 30.0 | 1.50 | 25000 | 0.250 / 0.500 |"), "{table}");
        assert!(table.contains("| scaled | skipped |"), "{table}");
        assert!(table.contains("ours, closed: 2 × status 500"), "{table}");
        assert!(table.contains("| 1 of 5000 |"), "{table}");
        assert_eq!(table.matches("scaled: skipped, no PostgreSQL").count(), 1, "{table}");
    }
}
