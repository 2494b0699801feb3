//! Configuration: the environment (and a `.env` file), one struct a concern, defaults that run.

mod env;
mod folder;
mod secrets;
mod trusted;

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::db::is_postgres;
use crate::net::Net;
use crate::secret::Secret;

pub use env::Env;
pub use folder::{can_write, private_file, private_folder, write_private};
pub use trusted::TrustedConfig;

/// Everything a process is told from outside.
#[derive(Clone, Debug)]
pub struct Config {
    pub database: DatabaseConfig,
    pub redis_url: Option<Secret<String>>,
    /// Put before every name in Redis, so that two installations may share a server.
    pub redis_prefix: String,
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    pub admin: AdminConfig,
    /// Signs every token; at least 32 bytes.
    pub jwt_secret: Option<Secret<String>>,
    /// 32-byte keys in base64 or hex, newest first.
    pub encryption_keys: Vec<Secret<[u8; 32]>>,
    /// Where the world reaches this, without a trailing slash; links and callbacks start with it.
    pub public_url: Option<String>,
    /// Where model calls are served, for a process that serves none.
    pub relay_url: Option<String>,
    pub roles: Roles,
    pub log: LogConfig,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Net>,
    pub console_dir: Option<PathBuf>,
    pub trusted: TrustedConfig,
    pub otlp_endpoint: Option<String>,
    /// How long a graceful stop may take.
    pub stop_seconds: u64,
    /// Cheap password hashing; tests only.
    pub weak_hash: bool,
}

/// Where the data lives.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    pub url: Secret<String>,
    pub connections: u32,
}

/// The first administrator.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    pub username: String,
    pub password: Option<Secret<String>>,
}

/// What this process mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    pub management: bool,
    pub relay: bool,
}

/// How the log looks.
#[derive(Clone, Debug)]
pub struct LogConfig {
    pub filter: String,
    pub json: bool,
}

/// One variable the product reads: name, default, meaning. `--help` prints this list.
pub const VARIABLES: &[(&str, &str, &str)] = &[
    (
        "DATABASE_URL",
        "sqlite://data/tollgate.db (the file lies in DATA_DIR)",
        "sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE",
    ),
    ("DATABASE_CONNECTIONS", "16", "most connections of this process to the database"),
    (
        "REDIS_URL",
        "none: counters and events stay in the process",
        "redis://… or rediss://…; needed when more than one process serves",
    ),
    ("REDIS_PREFIX", "tollgate:", "put before every name in Redis, so that two installations may share a server"),
    ("LISTEN", "127.0.0.1:18080 (relay: 127.0.0.1:18081)", "address and port to serve on"),
    ("DATA_DIR", "data", "folder for generated secrets, the journal and the SQLite file"),
    ("ADMIN_USERNAME", "admin", "name of the first administrator"),
    (
        "ADMIN_PASSWORD",
        "random, printed once and written to DATA_DIR/admin-password",
        "password of the first administrator",
    ),
    (
        "JWT_SECRET",
        "generated into DATA_DIR on SQLite; required on PostgreSQL",
        "signs tokens; 32 characters or more, the same in every process",
    ),
    (
        "ENCRYPTION_KEY",
        "generated into DATA_DIR on SQLite; required on PostgreSQL",
        "comma-separated 32-byte keys, base64 or hex, newest first; seals account secrets",
    ),
    ("PUBLIC_URL", "http://LISTEN", "address under which users reach this, for links and payment callbacks"),
    ("RELAY_URL", "http://LISTEN", "where model calls are served, for pages of a process that serves none itself"),
    ("ROLES", "graphql,relay", "what the graphql binary mounts: graphql, relay or both"),
    ("LOG", "info", "log filter, e.g. info,relay=debug"),
    ("LOG_FORMAT", "text", "text or json"),
    ("TRUSTED_PROXIES", "127.0.0.1,::1", "addresses and networks (10.0.0.0/8) whose X-Forwarded-For is believed"),
    ("CONSOLE_DIR", "none", "folder of a built web console, served at /admin-next/"),
    (
        "TRUSTED_DOCUMENTS",
        "none",
        "GraphQL documents that may be asked for by their SHA-256: a manifest (JSON), or a folder of manifests and \
         .graphql files",
    ),
    ("TRUSTED_DOCUMENTS_ONLY", "false", "true: whoever is no administrator asks GraphQL by TRUSTED_DOCUMENTS alone"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "none", "http://… of an OpenTelemetry collector (OTLP over HTTP, JSON)"),
    ("STOP_SECONDS", "30", "longest a graceful stop waits for open calls"),
];

impl Config {
    /// Reads everything, or says one sentence per fault. `default_listen` differs per binary.
    pub fn read(env: &Env, default_listen: &str) -> Result<Self, Vec<String>> {
        let mut faults = env.faults();
        let data_dir = PathBuf::from(env.get("DATA_DIR").unwrap_or("data"));
        let url = env
            .get("DATABASE_URL")
            .map_or_else(|| format!("sqlite://{}", data_dir.join("tollgate.db").display()), str::to_owned);
        if let Err(e) = crate::db::check_url(&url) {
            faults.push(e.to_string());
        }
        let redis_url = env.get("REDIS_URL").map(str::to_owned);
        if redis_url.as_ref().is_some_and(|u| !u.starts_with("redis://") && !u.starts_with("rediss://")) {
            faults.push("REDIS_URL must begin with redis:// or rediss://".to_owned());
        }
        let connections = env.number("DATABASE_CONNECTIONS", 16, 1..=1_000, &mut faults);
        let listen = address(env.get("LISTEN").unwrap_or(default_listen));
        if listen.is_none() {
            faults.push(format!(
                "LISTEN is {:?}; it must be an address and port such as 127.0.0.1:18080 or 0.0.0.0:18080",
                env.get("LISTEN").unwrap_or(default_listen)
            ));
        }
        let jwt_secret = env.get("JWT_SECRET").map(str::to_owned);
        if jwt_secret.as_ref().is_some_and(|s| s.len() < secrets::SHORTEST_JWT) {
            faults.push("JWT_SECRET must have at least 32 characters".to_owned());
        }
        let encryption_keys = match secrets::read_keys(env.get("ENCRYPTION_KEY").unwrap_or("")) {
            Some(keys) => keys,
            None => {
                faults.push("ENCRYPTION_KEY must hold 32-byte keys in base64 or hex, separated by commas".to_owned());
                Vec::new()
            }
        };
        if is_postgres(&url) {
            if jwt_secret.is_none() {
                faults.push("JWT_SECRET must be set when DATABASE_URL is PostgreSQL".to_owned());
            }
            if env.get("ENCRYPTION_KEY").is_none() {
                faults.push("ENCRYPTION_KEY must be set when DATABASE_URL is PostgreSQL".to_owned());
            }
        }
        let public_url = env.address("PUBLIC_URL", "https://gate.example.com", &mut faults);
        let relay_url = env.address("RELAY_URL", "http://relay:18081", &mut faults);
        let otlp_endpoint = env.address("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318", &mut faults);
        let mut roles = Roles { management: false, relay: false };
        for role in env.list("ROLES", "graphql,relay") {
            match role {
                "graphql" => roles.management = true,
                "relay" => roles.relay = true,
                other => faults.push(format!("ROLES knows graphql and relay, not {other:?}")),
            }
        }
        if env.list("ROLES", "graphql,relay").next().is_none() {
            faults.push("ROLES must name graphql, relay or both".to_owned());
        }
        let json = match env.get("LOG_FORMAT").unwrap_or("text") {
            "json" => true,
            "text" => false,
            other => {
                faults.push(format!("LOG_FORMAT is text or json, not {other:?}"));
                false
            }
        };
        let mut trusted_proxies = Vec::new();
        for text in env.list("TRUSTED_PROXIES", "127.0.0.1,::1") {
            match Net::parse(text) {
                Some(net) => trusted_proxies.push(net),
                None => faults.push(format!("TRUSTED_PROXIES names {text:?}, which is no address and no network")),
            }
        }
        let console_dir = env.get("CONSOLE_DIR").map(PathBuf::from);
        if let Some(folder) = console_dir.as_ref().filter(|folder| !folder.is_dir()) {
            faults.push(format!("CONSOLE_DIR is {folder:?}, which is no folder"));
        }
        let trusted = trusted::read(env, &mut faults);
        let stop_seconds = env.number("STOP_SECONDS", 30, 0..=86_400, &mut faults);
        let Some(listen) = listen.filter(|_| faults.is_empty()) else {
            return Err(faults);
        };
        Ok(Self {
            database: DatabaseConfig { url: Secret::new(url), connections: u32::try_from(connections).unwrap_or(16) },
            redis_url: redis_url.map(Secret::new),
            redis_prefix: env.get("REDIS_PREFIX").unwrap_or("tollgate:").to_owned(),
            listen,
            data_dir,
            admin: AdminConfig {
                username: env.get("ADMIN_USERNAME").unwrap_or("admin").to_owned(),
                password: env.get("ADMIN_PASSWORD").map(|p| Secret::new(p.to_owned())),
            },
            jwt_secret: jwt_secret.map(Secret::new),
            encryption_keys,
            public_url,
            relay_url,
            roles,
            log: LogConfig { filter: env.get("LOG").unwrap_or("info").to_owned(), json },
            trusted_proxies,
            console_dir,
            trusted,
            otlp_endpoint,
            stop_seconds,
            weak_hash: false,
        })
    }

    /// True on SQLite with everything in one process.
    pub fn embedded(&self) -> bool {
        !is_postgres(self.database.url.reveal())
    }

    /// The address users are told.
    pub fn public_url(&self) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen))
    }

    /// Where a page of this process finds the relay; none where this process is no relay and was not told of one.
    pub fn relay_url(&self) -> Option<String> {
        self.relay_url.clone().or_else(|| self.roles.relay.then(|| format!("http://{}", self.listen)))
    }
}

/// An address to listen on; `localhost` is this machine's own.
fn address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?))),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests;
