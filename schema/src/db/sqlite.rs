//! SQLite: one file, write-ahead log, patience instead of "database is locked".

use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use futures_util::FutureExt;

use super::{Lite, LitePool, PoolSize, statements};
use crate::config::{can_write, private_file, private_folder};
use crate::error::{Error, Result};

const PRAGMAS: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
     PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8000;";
/// Reads the file's head, which a file that is no database does not have.
const LOOK: &str = "PRAGMA busy_timeout = 10000; SELECT count(*) FROM sqlite_master";

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

/// Makes the file, for its owner alone, when its folder exists or can be made; and opens it once, so that a file
/// that is no database is told by its own words and at once.
pub async fn prepare(path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        private_folder(folder).map_err(|e| {
            Error::unavailable(format!("DATABASE_URL: the folder {} cannot be made", folder.display()), e)
        })?;
    }
    private_file(path).map_err(|e| shut(path, e))?;
    let _turn = turn(path).await?;
    let file = path.to_string_lossy().into_owned();
    tokio::task::spawn_blocking(move || open(&file)).await.map_err(Error::internal)?.map_err(|e| shut(path, e))?;
    Ok(())
}

/// Waits until no other process makes or migrates a database in this folder; the turn ends with what is answered.
/// (The file itself must not be locked: to close it would end the locks of its connections.)
pub async fn turn(path: &Path) -> Result<std::fs::File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = std::fs::File::open(folder).map_err(|e| shut(path, e))?;
    let lock = move || folder.lock().map(|()| folder);
    tokio::task::spawn_blocking(lock).await.map_err(Error::internal)?.map_err(|e| shut(path, e))
}

/// Whether [`prepare`] would succeed; makes nothing.
pub async fn check(path: &Path) -> Result<()> {
    if !path.exists() {
        let folder = path.parent().unwrap_or(Path::new(""));
        return can_write(folder).map_err(|e| {
            Error::unavailable(format!("DATABASE_URL: the folder {} cannot be written", folder.display()), e)
        });
    }
    std::fs::OpenOptions::new().write(true).open(path).map_err(|e| shut(path, e))?;
    let file = path.to_string_lossy().into_owned();
    let look = move || SqliteConnection::establish(&file)?.batch_execute(LOOK).map_err(unusable);
    tokio::task::spawn_blocking(look).await.map_err(Error::internal)?.map_err(|e| shut(path, e))
}

fn shut(path: &Path, cause: impl std::fmt::Display) -> Error {
    Error::unavailable(format!("DATABASE_URL: the database file {} does not open", path.display()), cause)
}

fn unusable(cause: diesel::result::Error) -> diesel::ConnectionError {
    diesel::ConnectionError::CouldntSetupConfiguration(cause)
}

fn open(file: &str) -> diesel::ConnectionResult<SqliteConnection> {
    let mut conn = SqliteConnection::establish(file)?;
    conn.batch_execute(PRAGMAS).map_err(unusable)?;
    Ok(conn)
}

/// A pool on a file that [`prepare`] made.
pub async fn pool(path: &Path, size: PoolSize) -> Result<LitePool> {
    let mut config = ManagerConfig::<Lite>::default();
    // The default check is a SELECT on another thread at every check-out; a file does not go away.
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(|url| {
        let url = url.to_owned();
        async move {
            tokio::task::spawn_blocking(move || {
                let mut conn = open(&url)?;
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
        .map_err(|e| shut(path, e))
}

/// `BEGIN IMMEDIATE`: a deferred transaction that reads and then writes fails at once when another
/// writer got in between, whatever the busy timeout.
pub async fn begin_immediate(conn: &mut Lite) -> diesel::QueryResult<()> {
    conn.spawn_blocking(|c| diesel::connection::AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE"))
        .await
}
