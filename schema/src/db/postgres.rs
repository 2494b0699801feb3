//! PostgreSQL: pooled connections, TLS when the URL asks for it, a time limit of every statement.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, PoolError, RecyclingMethod};
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;

use super::held::Held;
use super::pace::{Pace, pace};
use super::{Pg, PgPool, PoolSize, statements};
use crate::error::{Error, Result};

/// How long any one statement may run is set before its first, by [`limited`].
const SETUP: &str = "SET idle_in_transaction_session_timeout = '60s'; SET timezone = 'UTC'";

/// How long a server that does not answer yet is waited for at start-up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Refuses what is no address of a server.
pub fn check_url(url: &str) -> Result<()> {
    let why = "DATABASE_URL is no PostgreSQL address such as postgres://user:password@host/database";
    // What the parser says may hold a piece of the password.
    url.parse::<tokio_postgres::Config>().map(drop).map_err(|_| Error::invalid("DATABASE_URL", why))
}

/// Makes connections, and knows how long a statement may run on each.
pub struct Manager(AsyncDieselConnectionManager<Pg>);

/// A connection and the limit that was last set on it.
pub struct Limited {
    conn: Pg,
    limit: Option<Pace>,
}

impl bb8::ManageConnection for Manager {
    type Connection = Limited;
    type Error = PoolError;

    async fn connect(&self) -> std::result::Result<Limited, PoolError> {
        Ok(Limited { conn: self.0.connect().await?, limit: None })
    }
    async fn is_valid(&self, limited: &mut Limited) -> std::result::Result<(), PoolError> {
        self.0.is_valid(&mut limited.conn).await
    }
    fn has_broken(&self, limited: &mut Limited) -> bool {
        self.0.has_broken(&mut limited.conn)
    }
}

/// A connection of the pool in use; dereferences to the plain one.
pub struct PgHeld(Held<bb8::PooledConnection<'static, Manager>>);

impl Deref for PgHeld {
    type Target = Pg;
    fn deref(&self) -> &Pg {
        &self.0.conn
    }
}

impl DerefMut for PgHeld {
    fn deref_mut(&mut self) -> &mut Pg {
        &mut self.0.conn
    }
}

/// A connection on which a statement may run as long as the work at hand is given. The limit is set anew only where
/// the connection last served the other kind of work.
pub async fn limited(pool: &PgPool) -> Result<PgHeld> {
    let mut held = PgHeld(Held::of(pool.get_owned()).await?);
    if held.0.limit != Some(pace()) {
        held.limit_again().await?;
    }
    Ok(held)
}

impl PgHeld {
    /// Sets the limit of the work at hand, whatever was set before.
    pub(super) async fn limit_again(&mut self) -> Result<()> {
        let wanted = pace();
        // Unknown until the server has said yes.
        self.0.limit = None;
        let limit = format!("SET statement_timeout = {}", wanted.limit().as_millis());
        self.0.conn.batch_execute(&limit).await?;
        self.0.limit = Some(wanted);
        Ok(())
    }
}

/// A pool on the server, which must answer.
pub async fn pool(url: &str, size: PoolSize) -> Result<PgPool> {
    check_url(url)?;
    wait_for(url).await?;
    let mut config = ManagerConfig::<Pg>::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(|url| {
        let url = url.to_owned();
        async move { establish(&url).await.map_err(|no| diesel::ConnectionError::BadConnection(no.why)) }.boxed()
    });
    let manager = Manager(AsyncDieselConnectionManager::<Pg>::new_with_config(url, config));
    bb8::Pool::builder()
        .max_size(size.0)
        .connection_timeout(PATIENCE)
        .build(manager)
        .await
        .map_err(|e| Error::unavailable("DATABASE_URL: the PostgreSQL server is not reachable", e))
}

/// Connects once, so that what the server says is told (a pool only says that it waited in vain). A server that
/// is just starting is given time; one that refuses is taken at its word.
async fn wait_for(url: &str) -> Result<()> {
    let away = |why: String| Error::unavailable("DATABASE_URL: the PostgreSQL server is not reachable", why);
    let until = tokio::time::Instant::now() + PATIENCE;
    let mut last = format!("no answer within {} s", PATIENCE.as_secs());
    loop {
        match tokio::time::timeout_at(until, establish(url)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(no)) if no.last_word => {
                return Err(Error::unavailable("DATABASE_URL: the PostgreSQL server refuses this connection", no.why));
            }
            Ok(Err(no)) => last = no.why,
            Err(_) => return Err(away(last)),
        }
        if tokio::time::Instant::now() + PAUSE >= until {
            return Err(away(last));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

const PAUSE: Duration = Duration::from_millis(250);

/// Why there is no connection.
struct Refused {
    why: String,
    /// The server has spoken, and would say the same again.
    last_word: bool,
}

impl From<tokio_postgres::Error> for Refused {
    fn from(error: tokio_postgres::Error) -> Self {
        use tokio_postgres::error::SqlState;
        let passing = [SqlState::CANNOT_CONNECT_NOW, SqlState::TOO_MANY_CONNECTIONS];
        let last_word = error.code().is_some_and(|code| !passing.contains(code));
        let mut why = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(deeper) = cause {
            why = format!("{why}: {deeper}");
            cause = deeper.source();
        }
        Self { why, last_word }
    }
}

impl From<diesel::ConnectionError> for Refused {
    fn from(error: diesel::ConnectionError) -> Self {
        Self { why: error.to_string(), last_word: false }
    }
}

async fn establish(url: &str) -> std::result::Result<Pg, Refused> {
    use tokio_postgres::config::SslMode;
    let config = url.parse::<tokio_postgres::Config>()?;
    let mut conn = if config.get_ssl_mode() == SslMode::Disable {
        plain(&config).await?
    } else {
        // libpq's meaning of the default, `prefer`: encrypted when the server can, plain when it cannot.
        let tls = tokio_postgres_rustls::MakeRustlsConnect::new(tls_config());
        match config.connect(tls).await {
            Ok((client, connection)) => AsyncPgConnection::try_from_client_and_connection(client, connection).await?,
            Err(_) if config.get_ssl_mode() == SslMode::Prefer => plain(&config).await?,
            Err(e) => return Err(e.into()),
        }
    };
    conn.batch_execute(SETUP).await.map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
    conn.set_instrumentation(statements::counter(url));
    Ok(conn)
}

async fn plain(config: &tokio_postgres::Config) -> std::result::Result<Pg, Refused> {
    let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
    Ok(AsyncPgConnection::try_from_client_and_connection(client, connection).await?)
}

fn tls_config() -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}
