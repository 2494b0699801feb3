//! Configuration: the environment (and a `.env` file), one struct a concern, defaults that run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::db::is_postgres;
use crate::secret::Secret;

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
    pub roles: Roles,
    pub log: LogConfig,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    pub console_dir: Option<PathBuf>,
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
    ("DATABASE_URL", "sqlite://data/tollgate.db", "sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE"),
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
    ("ROLES", "graphql,relay", "what the graphql binary mounts: graphql, relay or both"),
    ("LOG", "info", "log filter, e.g. info,relay=debug"),
    ("LOG_FORMAT", "text", "text or json"),
    ("TRUSTED_PROXIES", "127.0.0.1,::1", "addresses whose X-Forwarded-For is believed"),
    ("CONSOLE_DIR", "none", "folder of a built web console, served at /admin-next/"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "none", "http://… of an OpenTelemetry collector (OTLP over HTTP, JSON)"),
    ("STOP_SECONDS", "30", "longest a graceful stop waits for open calls"),
];

/// The values a configuration is read from.
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The process's environment over a `.env` file in the working folder.
    pub fn load() -> Self {
        let mut values = BTreeMap::new();
        if let Ok(text) = std::fs::read_to_string(".env") {
            for line in text.lines() {
                let line = line.trim();
                let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
                    continue;
                };
                let name = name.trim().trim_start_matches("export ").trim();
                let value = value.trim().trim_matches(['"', '\'']);
                values.insert(name.to_owned(), value.to_owned());
            }
        }
        values.extend(std::env::vars());
        Self(values)
    }
    /// Fixed values, for tests.
    pub fn of(values: &[(&str, &str)]) -> Self {
        Self(values.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).map(str::trim).filter(|v| !v.is_empty())
    }
    fn parsed<T: std::str::FromStr>(&self, name: &str, default: &str, faults: &mut Vec<String>) -> Option<T> {
        let text = self.get(name).unwrap_or(default);
        let value = text.parse().ok();
        if value.is_none() {
            faults.push(format!("{name} is {text:?}, which does not read as {}", std::any::type_name::<T>()));
        }
        value
    }
}

impl Config {
    /// Reads everything, or says one sentence per fault. `default_listen` differs per binary.
    pub fn read(env: &Env, default_listen: &str) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let data_dir = PathBuf::from(env.get("DATA_DIR").unwrap_or("data"));
        let url = env
            .get("DATABASE_URL")
            .map_or_else(|| format!("sqlite://{}", data_dir.join("tollgate.db").display()), str::to_owned);
        if !is_postgres(&url) && !url.starts_with("sqlite:") {
            faults.push("DATABASE_URL must begin with sqlite:// or postgres://".to_owned());
        }
        let redis_url = env.get("REDIS_URL").map(str::to_owned);
        if redis_url.as_ref().is_some_and(|u| !u.starts_with("redis://") && !u.starts_with("rediss://")) {
            faults.push("REDIS_URL must begin with redis:// or rediss://".to_owned());
        }
        let connections = env.parsed::<u32>("DATABASE_CONNECTIONS", "16", &mut faults).unwrap_or(16);
        if !(1..=1000).contains(&connections) {
            faults.push("DATABASE_CONNECTIONS must be between 1 and 1000".to_owned());
        }
        let listen = env.parsed::<SocketAddr>("LISTEN", default_listen, &mut faults);
        let jwt_secret = env.get("JWT_SECRET").map(str::to_owned);
        if jwt_secret.as_ref().is_some_and(|s| s.len() < 32) {
            faults.push("JWT_SECRET must have at least 32 characters".to_owned());
        }
        let mut encryption_keys = Vec::new();
        for text in env.get("ENCRYPTION_KEY").unwrap_or("").split(',').map(str::trim).filter(|s| !s.is_empty()) {
            match read_key(text) {
                Some(key) => encryption_keys.push(Secret::new(key)),
                None => faults
                    .push("ENCRYPTION_KEY must hold 32-byte keys in base64 or hex, separated by commas".to_owned()),
            }
        }
        if is_postgres(&url) {
            if jwt_secret.is_none() {
                faults.push("JWT_SECRET must be set when DATABASE_URL is PostgreSQL".to_owned());
            }
            if encryption_keys.is_empty() {
                faults.push("ENCRYPTION_KEY must be set when DATABASE_URL is PostgreSQL".to_owned());
            }
        }
        let public_url = env.get("PUBLIC_URL").map(|u| u.trim_end_matches('/').to_owned());
        if public_url.as_ref().is_some_and(|u| !u.starts_with("http://") && !u.starts_with("https://")) {
            faults.push("PUBLIC_URL must begin with http:// or https://".to_owned());
        }
        let mut roles = Roles { management: false, relay: false };
        for role in env.get("ROLES").unwrap_or("graphql,relay").split(',').map(str::trim) {
            match role {
                "graphql" => roles.management = true,
                "relay" => roles.relay = true,
                other => faults.push(format!("ROLES knows graphql and relay, not {other:?}")),
            }
        }
        let json = match env.get("LOG_FORMAT").unwrap_or("text") {
            "json" => true,
            "text" => false,
            other => {
                faults.push(format!("LOG_FORMAT is text or json, not {other:?}"));
                false
            }
        };
        let stop_seconds = env.parsed::<u64>("STOP_SECONDS", "30", &mut faults).unwrap_or(30);
        let Some(listen) = listen.filter(|_| faults.is_empty()) else {
            return Err(faults);
        };
        Ok(Self {
            database: DatabaseConfig { url: Secret::new(url), connections },
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
            roles,
            log: LogConfig { filter: env.get("LOG").unwrap_or("info").to_owned(), json },
            trusted_proxies: env
                .get("TRUSTED_PROXIES")
                .unwrap_or("127.0.0.1,::1")
                .split(',')
                .map(|s| s.trim().to_owned())
                .collect(),
            console_dir: env.get("CONSOLE_DIR").map(PathBuf::from),
            otlp_endpoint: env.get("OTEL_EXPORTER_OTLP_ENDPOINT").map(|u| u.trim_end_matches('/').to_owned()),
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

    /// Fills secrets that were not given: read from `DATA_DIR`, or made there for the first time.
    pub fn fill_secrets(&mut self) -> std::io::Result<()> {
        if self.jwt_secret.is_none() {
            let text = kept(&self.data_dir, "jwt-secret", || crate::id::hex(&crate::id::random::<32>()))?;
            self.jwt_secret = Some(Secret::new(text));
        }
        if self.encryption_keys.is_empty() {
            let text = kept(&self.data_dir, "encryption-key", || crate::id::hex(&crate::id::random::<32>()))?;
            for line in text.split([',', '\n']).map(str::trim).filter(|l| !l.is_empty()) {
                let key = read_key(line)
                    .ok_or_else(|| std::io::Error::other("the file encryption-key holds no 32-byte key"))?;
                self.encryption_keys.push(Secret::new(key));
            }
        }
        Ok(())
    }
}

/// Reads a secret file of the data folder, or writes it (owner only) on the first start.
fn kept(dir: &std::path::Path, name: &str, make: impl FnOnce() -> String) -> std::io::Result<String> {
    let path = dir.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let text = make();
            write_private(&path, &text)?;
            Ok(text)
        }
        Err(e) => Err(e),
    }
}

/// Writes a file that only its owner can read.
pub fn write_private(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn read_key(text: &str) -> Option<[u8; 32]> {
    use base64::Engine;
    let bytes = if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        (0..64).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok()).collect::<Option<Vec<u8>>>()?
    } else {
        base64::engine::general_purpose::STANDARD.decode(text).ok()?
    };
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_run_and_faults_name_the_variable() {
        let config = Config::read(&Env::of(&[]), "127.0.0.1:18080").expect("defaults");
        assert!(config.embedded());
        assert_eq!(config.public_url(), "http://127.0.0.1:18080");
        let faults = Config::read(
            &Env::of(&[
                ("LISTEN", "here"),
                ("JWT_SECRET", "short"),
                ("ROLES", "cook"),
                ("DATABASE_URL", "postgres://x/y"),
            ]),
            "127.0.0.1:1",
        )
        .expect_err("faults");
        for name in ["LISTEN", "JWT_SECRET", "ROLES", "ENCRYPTION_KEY"] {
            assert!(faults.iter().any(|f| f.contains(name)), "{name} in {faults:?}");
        }
    }

    #[test]
    fn keys_come_in_hex_or_base64() {
        assert_eq!(read_key(&"ab".repeat(32)), Some([0xab; 32]));
        assert_eq!(read_key("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="), Some([1; 32]));
        assert_eq!(read_key("short"), None);
    }
}
