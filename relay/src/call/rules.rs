//! The operator's settings of the relay, read once for as long as they stay what they are.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use schema::App;
use schema::clock::DAY;
use schema::service::setting::{Settings, names};

use super::attempt::Patience;
use super::fetch::Fetcher;
use super::forbidden::Words;
use super::pump::Pace;
use super::turn;
use crate::convert::Limits;

/// How sessions stay with the account that served them first.
#[derive(Clone, Debug)]
pub struct Binding {
    /// For how many milliseconds.
    pub life: i64,
    /// What is said when that account cannot serve.
    pub message: String,
}

/// The settings in the forms that calls use.
#[derive(Debug)]
pub struct Rules {
    of: Arc<Settings>,
    /// Whether model calls are served at all.
    pub open: bool,
    /// How many accounts one call may try.
    pub tries: usize,
    /// How long an attempt may take.
    pub patience: Patience,
    /// How a stream is carried.
    pub pace: Pace,
    /// Whether a waiting client is kept alive before its answer has begun, which commits the status.
    pub early_keep_alive: bool,
    /// The largest body, in bytes.
    pub body_limit: usize,
    /// How long a client may keep silent within a body.
    pub slow_client: Duration,
    /// Fetches files that prompts name.
    pub fetcher: Fetcher,
    /// What translations assume.
    pub limits: Limits,
    /// One call in so many that succeed is logged; zero for none.
    pub log_every: u64,
    /// Whether prompts and answers are stored.
    pub record: bool,
    /// What no prompt may hold, where prompts are looked at.
    pub forbidden: Option<Arc<Words>>,
    /// How sessions stay with their account, where they must.
    pub binding: Option<Binding>,
    /// How messages of people take turns at an account, where they do.
    pub turns: Option<turn::Rule>,
}

impl Rules {
    fn read(of: Arc<Settings>) -> Self {
        let number = |name: &str| u64::try_from(of.int(name)).unwrap_or(0);
        let seconds = |name: &str| Duration::from_secs(number(name));
        let mebibytes = usize::try_from(number(names::BODY_LIMIT_MIB)).unwrap_or(128);
        Self {
            open: of.bool(names::LLM_ENABLED),
            tries: usize::try_from(number(names::MOST_TRIES)).unwrap_or(1).max(1),
            patience: Patience { stream: seconds(names::FIRST_BYTE_SECONDS), whole: seconds(names::ANSWER_SECONDS) },
            pace: Pace {
                idle: seconds(names::STREAM_IDLE_SECONDS),
                keep_alive: seconds(names::KEEP_ALIVE_SECONDS),
                client_gone: seconds(names::CLIENT_GONE_SECONDS),
            },
            early_keep_alive: of.bool(names::EARLY_KEEP_ALIVE),
            body_limit: mebibytes << 20,
            slow_client: seconds(names::SLOW_CLIENT_SECONDS).max(Duration::from_secs(1)),
            fetcher: Fetcher::new(of.text(names::FETCH_ALLOWED_HOSTS)),
            limits: Limits { default_max_output: number(names::DEFAULT_MAX_OUTPUT).max(1) },
            log_every: number(names::LOG_CALLS_EVERY),
            record: of.bool("record_content"),
            forbidden: of
                .bool(names::FORBIDDEN_WORDS_CHECKED)
                .then(|| Words::read(of.text(names::FORBIDDEN_WORDS)))
                .flatten()
                .map(Arc::new),
            binding: of.bool(names::SESSION_BINDING).then(|| Binding {
                life: of.int(names::SESSION_BINDING_DAYS).saturating_mul(DAY),
                message: of.text(names::SESSION_BINDING_MESSAGE).to_owned(),
            }),
            turns: of.bool(names::USER_TURNS).then(|| turn::Rule {
                pause: of.int(names::USER_TURN_PAUSE_MS),
                wait: Duration::from_millis(number(names::USER_TURN_WAIT_MS)),
            }),
            of,
        }
    }
}

/// The rules that were read last.
#[derive(Debug)]
pub struct Kept(ArcSwap<Rules>);

impl Default for Kept {
    fn default() -> Self {
        Self(ArcSwap::from_pointee(Rules::read(Arc::default())))
    }
}

impl Kept {
    /// The rules of the moment.
    pub fn current(&self, app: &App) -> Arc<Rules> {
        let settings = app.settings.load();
        let kept = self.0.load();
        if Arc::ptr_eq(&kept.of, &settings) {
            return arc_swap::Guard::into_inner(kept);
        }
        let fresh = Arc::new(Rules::read(arc_swap::Guard::into_inner(settings)));
        self.0.store(fresh.clone());
        fresh
    }
}
