//! PostgreSQL: pooled connections, TLS when the URL asks for it, a statement time limit.

use std::time::Duration;

use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;

use super::{Pg, PgPool, PoolSize, statements};
use crate::error::{Error, Result};

/// Longest any one statement may run; reports read rollups, so nothing honest comes near it.
const SETUP: &str =
    "SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'; SET timezone = 'UTC'";

/// A pool on the server.
pub async fn pool(url: &str, size: PoolSize) -> Result<PgPool> {
    url.parse::<tokio_postgres::Config>()
        .map_err(|e| Error::invalid("DATABASE_URL", format!("DATABASE_URL is no PostgreSQL address: {e}")))?;
    let mut config = ManagerConfig::<Pg>::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(|url| establish(url.to_owned()).boxed());
    let manager = AsyncDieselConnectionManager::<Pg>::new_with_config(url, config);
    bb8::Pool::builder()
        .max_size(size.0)
        .connection_timeout(Duration::from_secs(10))
        .build(manager)
        .await
        .map_err(|e| Error::unavailable("the PostgreSQL server is not reachable", e))
}

async fn establish(url: String) -> diesel::ConnectionResult<Pg> {
    let bad = |e: &dyn std::fmt::Display| diesel::ConnectionError::BadConnection(e.to_string());
    let config = url.parse::<tokio_postgres::Config>().map_err(|e| bad(&e))?;
    let mut conn = if config.get_ssl_mode() == tokio_postgres::config::SslMode::Disable {
        plain(&config).await?
    } else {
        // libpq's meaning of the default, `prefer`: encrypted when the server can, plain when it cannot.
        let tls = tokio_postgres_rustls::MakeRustlsConnect::new(tls_config());
        match config.connect(tls).await {
            Ok((client, connection)) => AsyncPgConnection::try_from_client_and_connection(client, connection).await?,
            Err(_) if config.get_ssl_mode() == tokio_postgres::config::SslMode::Prefer => plain(&config).await?,
            Err(e) => return Err(bad(&e)),
        }
    };
    conn.batch_execute(SETUP).await.map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
    conn.set_instrumentation(statements::counter(&url));
    Ok(conn)
}

async fn plain(config: &tokio_postgres::Config) -> diesel::ConnectionResult<Pg> {
    let (client, connection) = config
        .connect(tokio_postgres::NoTls)
        .await
        .map_err(|e| diesel::ConnectionError::BadConnection(e.to_string()))?;
    AsyncPgConnection::try_from_client_and_connection(client, connection).await
}

fn tls_config() -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}
