//! The load generator. In the closed loop each connection asks again as soon as it is answered: for throughput and CPU a
//! request. In the open loop requests are due at a constant rate whatever the other side does, and latency counts from
//! when a request was due, so a stall is charged to every request that it delayed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use tokio::sync::{Mutex, mpsc};

use crate::arguments::Arguments;
use crate::bodies::{Dialect, requests};
use crate::cpu;
use crate::say;

mod connection;
mod report;

use connection::Connection;
use report::{Figures, Outcome};

/// What to do, the same for every connection.
struct Plan {
    method: hyper::Method,
    address: String,
    authority: String,
    path: String,
    headers: HeaderMap,
    bodies: Vec<Bytes>,
    stream: bool,
    timeout: Duration,
}

/// When to stop and what to count.
struct Course {
    /// Requests started so far, over all connections.
    started: AtomicU64,
    /// No more than this many.
    limit: u64,
    /// Set while results count.
    measuring: AtomicBool,
    stop: AtomicBool,
}

impl Course {
    /// The number of the next request, unless it is over.
    fn next(&self) -> Option<u64> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        (number < self.limit).then_some(number)
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let plan = Arc::new(plan(arguments)?);
    let connections: usize = arguments.or("connections", 64)?;
    let seconds = |name: &str, default: f64| -> Result<Duration, String> {
        let seconds: f64 = arguments.or(name, default)?;
        Duration::try_from_secs_f64(seconds).map_err(|_| format!("--{name}: `{seconds}` is no time"))
    };
    let limit = arguments.or("requests", u64::MAX)?;
    let (duration, warmup) = (seconds("duration", 5.0)?, seconds("warmup", 0.0)?);
    let ramp = Duration::from_millis(arguments.or("ramp-ms", 0)?);
    let rate: f64 = arguments.or("rate", 100.0)?;
    let open = match arguments.text("mode").unwrap_or("closed") {
        "closed" => false,
        "open" if rate > 0.0 => true,
        _ => return Err("--mode is closed or open, --rate above zero".to_owned()),
    };
    let roots = cpu::pids(arguments, "watch-pid")?;
    let threads: usize = arguments.or("threads", 1)?;
    let mut builder = if threads > 1 {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = builder.worker_threads(threads.max(1)).enable_all().build().map_err(|error| error.to_string())?;
    let course = Arc::new(Course {
        started: AtomicU64::new(0),
        limit,
        measuring: AtomicBool::new(warmup.is_zero()),
        stop: AtomicBool::new(false),
    });
    let watch = Watch::start(roots);
    let figures = runtime.block_on(async {
        let arrivals = open.then(|| pace(rate, course.clone()));
        let arrivals = arrivals.map(|arrivals| Arc::new(Mutex::new(arrivals)));
        let mut workers = Vec::new();
        for number in 0..connections {
            let wait = ramp.mul_f64(number as f64 / connections.max(1) as f64);
            workers.push(tokio::spawn(work(plan.clone(), course.clone(), arrivals.clone(), wait)));
        }
        let clock = tokio::spawn(measure(course.clone(), watch, warmup, duration, limit != u64::MAX));
        let mut figures = Figures::new();
        for worker in workers {
            figures.merge(&worker.await.unwrap_or_else(|_| Figures::new()));
        }
        course.stop.store(true, Ordering::Relaxed);
        figures.window = clock.await.map_err(|error| error.to_string())?;
        Ok::<Figures, String>(figures)
    })?;
    let mut out = std::io::stdout();
    if arguments.flag("json") {
        say(&mut out, &figures.to_json(arguments.text("label").unwrap_or_default()).to_string());
    } else {
        say(&mut out, &figures.to_text());
    }
    if figures.answered == 0 { Err("nothing was answered".to_owned()) } else { Ok(()) }
}

fn plan(arguments: &Arguments) -> Result<Plan, String> {
    let url = arguments.text("url").ok_or("--url is needed")?;
    let rest = url.strip_prefix("http://").ok_or("--url: only http:// is spoken here")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let dialect = if path.ends_with("/messages") { Dialect::Anthropic } else { Dialect::OpenAi };
    let dialect = arguments.or("dialect", dialect)?;
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &str| -> Result<(), String> {
        let name: HeaderName = name.trim().parse().map_err(|_| format!("`{name}` is no header name"))?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| format!("the value of {name} is none"))?;
        headers.insert(name, value);
        Ok(())
    };
    add("content-type", "application/json")?;
    if let Some(key) = arguments.text("key") {
        match dialect {
            Dialect::OpenAi => add("authorization", &format!("Bearer {key}"))?,
            Dialect::Anthropic => {
                add("x-api-key", key)?;
                add("anthropic-version", "2023-06-01")?;
            }
        }
    }
    for header in arguments.all("header") {
        let (name, value) = header.split_once(':').ok_or_else(|| format!("--header: `{header}` has no colon"))?;
        add(name, value)?;
    }
    let (stream, size) = (arguments.flag("stream"), arguments.or("body-size", 1400)?);
    let model = arguments.text("model").unwrap_or("gpt-4o-mini");
    let count = if size > 16_384 { 8 } else { 1000 };
    // A body of the caller's own measures anything that speaks HTTP, not only model calls.
    let bodies = match arguments.text("body") {
        Some(body) => vec![Bytes::copy_from_slice(body.as_bytes())],
        None => requests(dialect, model, stream, size, count),
    };
    let method = arguments.text("method").unwrap_or("POST");
    let method = method.parse().map_err(|_| format!("--method: `{method}` is no method"))?;
    Ok(Plan {
        method,
        address,
        authority: authority.to_owned(),
        path: format!("/{path}"),
        headers,
        bodies,
        stream,
        timeout: Duration::from_secs_f64(arguments.or("timeout", 60.0_f64)?.max(0.001)),
    })
}

/// When requests are due, told by a thread of its own: the runtime's timer is good to a millisecond, which is more than
/// what is measured.
fn pace(rate: f64, course: Arc<Course>) -> mpsc::UnboundedReceiver<(u64, Instant)> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let interval = 1.0 / rate;
        let began = Instant::now();
        while let Some(number) = course.next() {
            let due = began + Duration::from_secs_f64(interval * (number + 1) as f64);
            let early = due.saturating_duration_since(Instant::now());
            std::thread::sleep(early.saturating_sub(Duration::from_micros(120)));
            while Instant::now() < due {
                std::hint::spin_loop();
            }
            if sender.send((number, due)).is_err() {
                return;
            }
        }
    });
    receiver
}

type Arrivals = Arc<Mutex<mpsc::UnboundedReceiver<(u64, Instant)>>>;

/// One connection's work until the end.
async fn work(plan: Arc<Plan>, course: Arc<Course>, arrivals: Option<Arrivals>, wait: Duration) -> Figures {
    let mut figures = Figures::new();
    tokio::time::sleep(wait).await;
    let mut connection: Option<Connection> = None;
    loop {
        let next = match &arrivals {
            Some(arrivals) => arrivals.lock().await.recv().await,
            None => course.next().map(|number| (number, Instant::now())),
        };
        let Some((number, due)) = next else { return figures };
        let outcome = ask(&plan, &mut connection, number, due, &mut figures, &course).await;
        if let Err(fault) = outcome {
            connection = None;
            if course.measuring.load(Ordering::Relaxed) {
                *figures.errors.entry(fault).or_default() += 1;
            }
            // Not as fast as it can fail.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn ask(
    plan: &Plan,
    connection: &mut Option<Connection>,
    number: u64,
    due: Instant,
    figures: &mut Figures,
    course: &Course,
) -> Result<(), String> {
    let open = match connection {
        Some(open) if open.is_usable() => open,
        _ => connection.insert(Connection::open(plan).await?),
    };
    let body = plan.bodies[number as usize % plan.bodies.len()].clone();
    let asked = tokio::time::timeout(plan.timeout, open.ask(plan, body, due, figures.gaps_if(plan.stream)));
    let outcome: Outcome = asked.await.map_err(|_| "timed out".to_owned())??;
    if course.measuring.load(Ordering::Relaxed) {
        figures.add(&outcome);
    }
    Ok(())
}

/// What the measured window was like.
#[derive(Clone, Copy, Default)]
struct Window {
    seconds: f64,
    cpu_us: Option<u64>,
    first_rss_kib: u64,
    peak_rss_kib: u64,
}

/// The process tree that is being measured.
struct Watch {
    roots: Vec<u32>,
    first: cpu::Sample,
}

impl Watch {
    fn start(roots: Vec<u32>) -> Watch {
        let first = cpu::sample(&roots);
        Watch { roots, first }
    }
}

/// Opens the window after the warm-up and closes it after the duration, or when all requests are done.
async fn measure(course: Arc<Course>, watch: Watch, warmup: Duration, duration: Duration, counted: bool) -> Window {
    tokio::time::sleep(warmup).await;
    course.measuring.store(true, Ordering::Relaxed);
    let before = if warmup.is_zero() { watch.first } else { cpu::sample(&watch.roots) };
    let began = Instant::now();
    let mut peak = watch.first.rss_kib.max(before.rss_kib);
    while !course.stop.load(Ordering::Relaxed) && (counted || began.elapsed() < duration) {
        let left = if counted { duration } else { duration.saturating_sub(began.elapsed()) };
        tokio::time::sleep(left.min(Duration::from_millis(if counted { 20 } else { 250 }))).await;
        if !watch.roots.is_empty() {
            peak = peak.max(cpu::sample(&watch.roots).rss_kib);
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    course.measuring.store(false, Ordering::Relaxed);
    course.stop.store(true, Ordering::Relaxed);
    let after = cpu::sample(&watch.roots);
    Window {
        seconds,
        cpu_us: (!watch.roots.is_empty()).then(|| after.cpu_us.saturating_sub(before.cpu_us)),
        first_rss_kib: watch.first.rss_kib,
        peak_rss_kib: peak,
    }
}

type Errors = BTreeMap<String, u64>;
