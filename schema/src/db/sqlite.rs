//! SQLite: one file, write-ahead log, patience instead of "database is locked".

use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use futures_util::FutureExt;

use super::{Lite, LitePool, PoolSize, statements};
use crate::error::{Error, Result};

const PRAGMAS: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
     PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8000;";

/// The file behind `sqlite://data/tollgate.db`.
pub fn path(url: &str) -> Result<PathBuf> {
    let file = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
    match file {
        Some(file) if !file.is_empty() && !file.contains(['?', '#']) => Ok(PathBuf::from(file)),
        _ => Err(Error::invalid(
            "DATABASE_URL",
            "DATABASE_URL must be sqlite://path/to/file.db or postgres://user:password@host/database",
        )),
    }
}

/// A pool on the file, which is made when its folder exists or can be made.
pub async fn pool(path: &Path, size: PoolSize) -> Result<LitePool> {
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|e| Error::unavailable(format!("the folder {} cannot be made", folder.display()), e))?;
    }
    let mut config = ManagerConfig::<Lite>::default();
    // The default check is a SELECT on another thread at every check-out; a file does not go away.
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(|url| {
        let url = url.to_owned();
        async move {
            tokio::task::spawn_blocking(move || {
                let mut conn = SqliteConnection::establish(&url)?;
                conn.batch_execute(PRAGMAS).map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
                conn.set_instrumentation(statements::counter(&url));
                Ok(SyncConnectionWrapper::new(conn))
            })
            .await
            .unwrap_or_else(|e| Err(diesel::ConnectionError::BadConnection(e.to_string())))
        }
        .boxed()
    });
    let manager = AsyncDieselConnectionManager::<Lite>::new_with_config(path.to_string_lossy(), config);
    bb8::Pool::builder()
        .max_size(size.0)
        .connection_timeout(Duration::from_secs(20))
        .build(manager)
        .await
        .map_err(|e| Error::unavailable(format!("the database file {} does not open", path.display()), e))
}

/// `BEGIN IMMEDIATE`: a deferred transaction that reads and then writes fails at once when another
/// writer got in between, whatever the busy timeout.
pub async fn begin_immediate(conn: &mut Lite) -> diesel::QueryResult<()> {
    conn.spawn_blocking(|c| diesel::connection::AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE"))
        .await
}
