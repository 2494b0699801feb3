//! How fast the administrator's pages are when there is much to show: the list of keys, and the dashboard with few
//! calls and with many.
//!
//!     admin-bench [--keys 10000] [--rows 10000000] [--seconds 5] [--callers 4]
//!
//! Runs on SQLite in a folder of its own; with `TEST_SCALED=1` on PostgreSQL and Redis.

#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::time::{Duration, Instant};

use harness::{Client, TestApp};
use schema::clock::{DAY, HOUR};
use schema::db::Conn;
use schema::service::api_key::{Batch, NewKey, issue_many};

/// How few calls the first measurement of the dashboard has.
const FEW: i64 = 10_000;
/// Over how many days calls are spread.
const DAYS: i64 = 30;
/// How many of the keys call.
const CALLING: i64 = 1_000;

struct Wanted {
    keys: i64,
    rows: i64,
    seconds: u64,
    callers: usize,
}

fn wanted() -> Wanted {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: i64| {
        let place = arguments.iter().position(|a| a == name);
        place.and_then(|i| arguments.get(i + 1)).map_or(default, |n| n.parse().expect("a number"))
    };
    Wanted {
        keys: number("--keys", 10_000),
        rows: number("--rows", 10_000_000),
        seconds: number("--seconds", 5).unsigned_abs(),
        callers: usize::try_from(number("--callers", 4)).expect("a few"),
    }
}

async fn run(app: &TestApp, sql: &str) {
    use diesel_async::SimpleAsyncConnection;
    let mut conn = app.app.db.conn().await.expect("a connection");
    match &mut conn {
        Conn::Lite(c) => c.batch_execute(sql).await,
        Conn::Pg(c) => c.batch_execute(sql).await,
    }
    .expect("the statement runs");
}

/// Adds calls up to a number, in the order of their time as they would have come, and sums them up as the product would have.
async fn fill(app: &TestApp, from: i64, until: i64) {
    let postgres = matches!(app.app.db.conn().await.expect("a connection"), Conn::Pg(_));
    let base = app.app.clock.now().hour().0 - DAYS * DAY + HOUR;
    let span = DAYS * DAY - HOUR;
    let mut next = from;
    while next < until {
        let end = until.min(next + 500_000);
        let numbers = if postgres {
            format!("generate_series({next}, {}) AS n(i)", end - 1)
        } else {
            format!(
                "(WITH RECURSIVE n(i) AS (SELECT {next} UNION ALL SELECT i + 1 FROM n WHERE i < {} - 1) SELECT i FROM n)",
                end
            )
        };
        run(
            app,
            &format!(
                "INSERT INTO usage (call_id, at, user_id, key_id, account_id, model, dialect, operation, stream, status, \
                 input, cache_read, output, cost, raw_cost, duration_ms) SELECT 'bench-' || i, \
                 {base} + (i - {from}) * {span} / {}, 1, 1 + i % {CALLING}, 1 + i % 8, 'model-' || (i % 5), 'openai', 'chat', \
                 FALSE, 200, 1000, 200, 300, 4500, 4500, 900 FROM {numbers}",
                until - from
            ),
        )
        .await;
        next = end;
        eprintln!("  {next} calls");
    }
    let sums = "COUNT(*), SUM(input), SUM(cache_read), SUM(output), SUM(cost), SUM(raw_cost), SUM(duration_ms)";
    let columns = "requests, input, cache_read, output, cost, raw_cost, duration_ms";
    run(
        app,
        &format!(
            "DELETE FROM usage_hourly; DELETE FROM usage_totals; \
             INSERT INTO usage_hourly (hour, key_id, account_id, user_id, model, dialect, {columns}) \
             SELECT at - at % 3600000, key_id, account_id, user_id, model, dialect, {sums} FROM usage \
             GROUP BY 1, 2, 3, 4, 5, 6; \
             INSERT INTO usage_totals (hour, model, dialect, {columns}) SELECT hour, model, dialect, SUM(requests), \
             SUM(input), SUM(cache_read), SUM(output), SUM(cost), SUM(raw_cost), SUM(duration_ms) FROM usage_hourly \
             GROUP BY 1, 2, 3; ANALYZE"
        ),
    )
    .await;
}

/// Requests a second, and how long one takes: in the middle, and the slowest hundredth.
async fn measure(admin: &Client, path: &str, wanted: &Wanted) -> (f64, Duration, Duration) {
    for _ in 0..3 {
        let answer = admin.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
    let end = Instant::now() + Duration::from_secs(wanted.seconds);
    let callers = (0..wanted.callers).map(|_| async {
        let mut times = Vec::new();
        while Instant::now() < end {
            let began = Instant::now();
            assert_eq!(admin.get(path).await.status, 200);
            times.push(began.elapsed());
        }
        times
    });
    let began = Instant::now();
    let mut times: Vec<Duration> = futures_util::future::join_all(callers).await.into_iter().flatten().collect();
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    times.sort_unstable();
    (rate, times[times.len() / 2], times[times.len() * 99 / 100])
}

async fn line(admin: &Client, name: &str, path: &str, wanted: &Wanted) -> f64 {
    let (rate, middle, slow) = measure(admin, path, wanted).await;
    println!("| {name} | {rate:.0} | {:.1} | {:.1} |", middle.as_secs_f64() * 1e3, slow.as_secs_f64() * 1e3);
    rate
}

#[tokio::main]
async fn main() {
    let wanted = wanted();
    let app = TestApp::new().await;
    let admin = app.admin().await;
    eprintln!("making {} keys", wanted.keys);
    let mut made = 0;
    while made < wanted.keys {
        let count = usize::try_from((wanted.keys - made).min(500)).expect("a batch");
        let each = NewKey { owner: Some(1), name: "key".into(), tags: vec!["bench".into()], ..NewKey::default() };
        let batch = Batch { base: format!("key-{made}"), count, each };
        made += issue_many(&app.app, &app.system(), batch).await.expect("keys").len() as i64;
    }
    println!("| request | requests/s | p50 ms | p99 ms |");
    println!("|---|---|---|---|");
    fill(&app, 0, FEW).await;
    let few = line(&admin, &format!("dashboard, {FEW} calls"), "/admin/dashboard", &wanted).await;
    fill(&app, FEW, wanted.rows).await;
    let many = line(&admin, &format!("dashboard, {} calls", wanted.rows), "/admin/dashboard", &wanted).await;
    let page = "/admin/api-keys?page=1&pageSize=20&sortBy=createdAt";
    line(&admin, &format!("a page of {} keys", wanted.keys), page, &wanted).await;
    let page = "/admin/api-keys?page=1&pageSize=20&sortBy=cost&costTimeRange=today";
    line(&admin, &format!("a page of {} keys by today's cost", wanted.keys), page, &wanted).await;
    line(&admin, &format!("all {} keys", wanted.keys), "/admin/api-keys", &wanted).await;
    println!("\nThe dashboard with {} calls costs {:.2} times what it costs with {FEW}.", wanted.rows, few / many);
}
