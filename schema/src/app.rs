//! What a process holds: connections, caches, the clock, and the tracker of its background tasks.
//!
//! [`App::connect`] is the only place that chooses between the embedded and the scaled form.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bus::Bus;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Db, PoolSize};
use crate::error::{Error, Result};
use crate::extras::Extras;
use crate::kv::Kv;
use crate::kv::admission::Counters;
use crate::seal::Sealer;
use crate::service::directory::Directory;
use crate::service::order::Providers;
use crate::service::password::Hasher;
use crate::service::setting::Settings;
use crate::service::settle::Books;
use crate::service::token::TokenKeys;

/// A cheap handle to the process's one application state.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// The state itself.
pub struct Inner {
    pub config: Config,
    pub db: Db,
    pub kv: Kv,
    /// The payment providers as the settings of the moment make them.
    pub providers: Providers,
    /// What calls are counted against.
    pub counters: Counters,
    /// The accounting of this process.
    pub books: Books,
    pub bus: Bus,
    pub clock: Clock,
    pub seal: Sealer,
    /// For calls of our own (vendors' token endpoints, payment providers); the relay keeps its own clients.
    pub http: reqwest::Client,
    pub hasher: Hasher,
    pub tokens: TokenKeys,
    pub settings: ArcSwap<Settings>,
    /// One reading of the settings at a time, so that an older answer never replaces a newer one.
    pub(crate) reading_settings: tokio::sync::Mutex<()>,
    /// The way into the request log.
    pub recorder: crate::service::request_log::Recorder,
    /// Keys, accounts, models and ratios, in memory.
    pub directory: Directory,
    /// Names this process among its peers.
    pub instance: String,
    /// Cancelled when the process should stop.
    pub stop: CancellationToken,
    /// Background tasks that a graceful stop waits for.
    pub tasks: TaskTracker,
    /// What the floors above keep here.
    pub extras: Extras,
}

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    /// Connects to everything, applies migrations, loads the settings and starts following events.
    pub async fn connect(config: Config) -> Result<Self> {
        Self::connect_at(config, Clock::System).await
    }

    /// As [`connect`](Self::connect), with a clock of the caller's.
    pub async fn connect_at(config: Config, clock: Clock) -> Result<Self> {
        // Whoever starts it waits for as long as it takes to read what there is.
        crate::db::patient(Self::connected(config, clock)).await
    }

    async fn connected(mut config: Config, clock: Clock) -> Result<Self> {
        install_crypto();
        config.fill_secrets().map_err(|e| {
            Error::unavailable(format!("secrets cannot be kept in DATA_DIR ({})", config.data_dir.display()), e)
        })?;
        let size = PoolSize(config.database.connections);
        let db = Db::connect(config.database.url.reveal(), size).await?;
        db.migrate().await?;
        let (kv, bus) = match &config.redis_url {
            Some(url) => {
                let prefix = &config.redis_prefix;
                (Kv::redis(url.reveal(), prefix).await?, Bus::redis(url.reveal(), prefix).await?)
            }
            None => (Kv::memory(), Bus::local()),
        };
        let keys: Vec<[u8; 32]> = config.encryption_keys.iter().map(|k| *k.reveal()).collect();
        let secret = config.jwt_secret.as_ref().ok_or_else(|| Error::internal("no JWT secret"))?;
        let (recorder, noted) = crate::service::request_log::Recorder::channel();
        let app = Self(Arc::new(Inner {
            recorder,
            seal: Sealer::new(&keys)?,
            tokens: TokenKeys::new(secret.reveal()),
            hasher: Hasher::new(config.weak_hash),
            http: http_client()?,
            settings: ArcSwap::from_pointee(Settings::defaults()),
            reading_settings: tokio::sync::Mutex::default(),
            providers: Providers::default(),
            directory: Directory::default(),
            instance: crate::id::uuid(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            counters: Counters::beside(&kv),
            books: Books::default(),
            extras: Extras::default(),
            config,
            db,
            kv,
            bus,
            clock,
        }));
        crate::service::setting::reload(&app).await?;
        crate::service::catalog::seed(&app).await?;
        // Listens before it reads, so that nothing changes unheard in between.
        crate::service::follow::start(&app);
        crate::service::request_log::start(&app, noted);
        crate::service::directory::load(&app).await?;
        Ok(app)
    }

    /// Runs a task that nobody waits for but a graceful stop.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(crate::db::patient(task));
    }

    /// Tells every background task to end and waits for them, no longer than configured.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        self.tasks.close();
        let limit = Duration::from_secs(self.config.stop_seconds);
        if tokio::time::timeout(limit, self.tasks.wait()).await.is_err() {
            tracing::warn!(open = self.tasks.len(), "stopped before every task had ended");
        }
        // Late, because the calls that ended just now are in it.
        crate::service::settle::stop(self).await;
        if let Err(error) = crate::service::guard::release(self).await {
            tracing::debug!(cause = error.cause(), "the claim to the database was not given back");
        }
    }
}

/// Names the cryptography that TLS uses; only the first call in a process has an effect.
pub fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn http_client() -> Result<reqwest::Client> {
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(60))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(Error::internal)
}
