//! The database: PostgreSQL or SQLite, chosen by the URL at start-up; the only file that knows there are two.
//!
//! A query is written once and compiled for both with [`on!`]. Transactions are values: [`Db::begin`],
//! then [`Tx::commit`]; dropping a `Tx` rolls back by losing its connection.

mod held;
mod kept;
mod migrate;
mod pace;
mod postgres;
mod sqlite;
mod statements;
mod together;

use bb8::PooledConnection;
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, AsyncPgConnection};

use crate::error::{Error, Result};

pub use held::{Held, Watcher, watched};
pub use migrate::{down_all, migrate, pending};
pub use pace::patient;
pub use postgres::PgHeld;
pub use statements::sent as statements_sent;
pub use together::Together;

/// A plain PostgreSQL connection.
pub type Pg = AsyncPgConnection;
/// A plain SQLite connection, on its own thread per statement.
pub type Lite = SyncConnectionWrapper<diesel::SqliteConnection>;

type PgPool = bb8::Pool<postgres::Manager>;
type LitePool = bb8::Pool<AsyncDieselConnectionManager<Lite>>;

/// The pool of whichever database we run on.
#[derive(Clone)]
pub enum Db {
    Pg(PgPool),
    /// SQLite admits one writer; transactions queue for it in the process instead of busy-waiting in the file.
    Lite {
        readers: LitePool,
        writer: LitePool,
        /// The write-ahead log beside the database file.
        log: std::path::PathBuf,
    },
}

/// A connection to whichever database we run on. Everything above this file is written for both.
#[expect(clippy::large_enum_variant, reason = "lives on one task; boxing would allocate at every check-out")]
pub enum Conn {
    Pg(PgHeld),
    Lite(Held<PooledConnection<'static, AsyncDieselConnectionManager<Lite>>>),
}

/// An open transaction; dereferences to [`Conn`].
pub struct Tx(Conn);

/// Runs one Diesel expression on the database at hand. `$c` is the plain connection; `.await` and `?` are the caller's.
///
/// The second form is for the rare statement in which the two must differ.
#[macro_export]
macro_rules! on {
    ($conn:expr, |$c:ident| $body:expr) => {
        match &mut *$conn {
            $crate::db::Conn::Pg(c) => {
                let $c = &mut **c;
                $body
            }
            $crate::db::Conn::Lite(c) => {
                let $c = &mut **c;
                $body
            }
        }
    };
    ($conn:expr, pg |$p:ident| $pg:expr, lite |$l:ident| $lite:expr) => {
        match &mut *$conn {
            $crate::db::Conn::Pg(c) => {
                let $p = &mut **c;
                $pg
            }
            $crate::db::Conn::Lite(c) => {
                let $l = &mut **c;
                $lite
            }
        }
    };
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Postgres,
    Sqlite,
}

/// How many connections a pool may hold.
#[derive(Clone, Copy, Debug)]
pub struct PoolSize(pub u32);

impl Db {
    /// Opens the database the URL names.
    pub async fn connect(url: &str, size: PoolSize) -> Result<Self> {
        if is_postgres(url) {
            return Ok(Self::Pg(postgres::pool(url, size).await?));
        }
        let path = sqlite::path(url)?;
        sqlite::prepare(&path).await?;
        let mut log = path.clone().into_os_string();
        log.push("-wal");
        Ok(Self::Lite {
            readers: sqlite::pool(&path, size).await?,
            writer: sqlite::pool(&path, PoolSize(1)).await?,
            log: log.into(),
        })
    }

    /// Which database this is.
    pub fn backend(&self) -> Backend {
        match self {
            Self::Pg(_) => Backend::Postgres,
            Self::Lite { .. } => Backend::Sqlite,
        }
    }

    /// A connection for reading, or for one statement that is whole in itself.
    pub async fn conn(&self) -> Result<Conn> {
        match self {
            Self::Pg(pool) => postgres::limited(pool).await.map(Conn::Pg),
            Self::Lite { readers, .. } => Held::of(readers.get_owned()).await.map(Conn::Lite),
        }
    }

    /// Begins a transaction. On SQLite it holds the one writer's place: never begin a second one inside it.
    pub async fn begin(&self) -> Result<Tx> {
        use diesel_async::TransactionManager;
        match self {
            Self::Pg(pool) => {
                let mut c = postgres::limited(pool).await?;
                <Pg as AsyncConnection>::TransactionManager::begin_transaction(&mut *c).await?;
                Ok(Tx(Conn::Pg(c)))
            }
            Self::Lite { writer, .. } => {
                let mut c = Held::of(writer.get_owned()).await?;
                sqlite::begin_immediate(&mut c).await?;
                Ok(Tx(Conn::Lite(c)))
            }
        }
    }

    /// Applies pending migrations; safe for many processes at once.
    pub async fn migrate(&self) -> Result<usize> {
        migrate(self).await
    }

    /// Makes every transaction that was committed survive a power cut. PostgreSQL does so by itself; SQLite
    /// leaves its log to the system's cache until it is folded into the file.
    pub async fn settle_to_disk(&self) -> Result<()> {
        let Self::Lite { log, .. } = self else { return Ok(()) };
        let log = log.clone();
        let synced = tokio::task::spawn_blocking(move || match std::fs::File::open(log) {
            Ok(file) => file.sync_data(),
            // No log: all of it is in the file, which is synced when the log is folded into it.
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(cause) => Err(cause),
        });
        synced
            .await
            .map_err(Error::internal)?
            .map_err(|cause| Error::unavailable("the database log cannot be synced", cause))
    }

    /// A round trip, for readiness.
    pub async fn ping(&self) -> Result<()> {
        use diesel_async::SimpleAsyncConnection;
        let mut conn = self.conn().await?;
        on!(&mut conn, |c| c.batch_execute("SELECT 1").await)?;
        Ok(())
    }
}

impl Tx {
    /// Makes it so.
    pub async fn commit(mut self) -> Result<()> {
        use diesel_async::TransactionManager;
        match &mut self.0 {
            Conn::Pg(c) => <Pg as AsyncConnection>::TransactionManager::commit_transaction(&mut **c).await?,
            Conn::Lite(c) => <Lite as AsyncConnection>::TransactionManager::commit_transaction(&mut **c).await?,
        }
        Ok(())
    }

    /// Undoes it, keeping the connection (dropping a `Tx` undoes it too, but throws the connection away).
    pub async fn rollback(mut self) -> Result<()> {
        use diesel_async::TransactionManager;
        match &mut self.0 {
            Conn::Pg(c) => <Pg as AsyncConnection>::TransactionManager::rollback_transaction(&mut **c).await?,
            Conn::Lite(c) => <Lite as AsyncConnection>::TransactionManager::rollback_transaction(&mut **c).await?,
        }
        Ok(())
    }
}

impl std::ops::Deref for Tx {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.0
    }
}

impl std::ops::DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.0
    }
}

/// Refuses a URL that names neither a PostgreSQL server nor a file.
pub fn check_url(url: &str) -> Result<()> {
    if is_postgres(url) { postgres::check_url(url) } else { sqlite::path(url).map(drop) }
}

/// Whether the database can be used: a server is asked, a file that exists is opened. Nothing is made or changed.
pub async fn check(url: &str) -> Result<()> {
    if is_postgres(url) {
        return Db::connect(url, PoolSize(1)).await?.ping().await;
    }
    sqlite::check(&sqlite::path(url)?).await
}

/// True for URLs that name a PostgreSQL server.
pub fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

fn away<E: std::fmt::Display>(cause: E) -> Error {
    Error::unavailable("the database is not reachable", cause)
}
