//! The embedded migrations and their runner.

use diesel::migration::MigrationSource;
use diesel_async::{AsyncMigrationHarness, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Conn, Db};
use crate::error::{Error, Result};
use crate::on;

const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");

/// Any number, the same in every process: the advisory lock that lets ten of them start at once.
const LOCK: i64 = 0x746f_6c6c_6761_7465;

/// Applies what is pending; returns how many migrations ran.
pub async fn migrate(db: &Db) -> Result<usize> {
    // On SQLite a lock of the folder does what the advisory lock does on PostgreSQL.
    let _turn = match db {
        Db::Lite { log, .. } => Some(super::sqlite::turn(log).await?),
        Db::Pg(_) => None,
    };
    match db.conn().await? {
        Conn::Pg(mut c) => {
            c.batch_execute(&format!("SET statement_timeout = 0; SELECT pg_advisory_lock({LOCK})")).await?;
            let (mut c, done) = {
                let mut harness = AsyncMigrationHarness::new(c);
                let done = harness.run_pending_migrations(POSTGRES).map(|v| v.len()).map_err(|e| e.to_string());
                (harness.into_inner(), done)
            };
            c.batch_execute(&format!("SELECT pg_advisory_unlock({LOCK})")).await?;
            c.limit_again().await?;
            done.map_err(Error::internal)
        }
        Conn::Lite(c) => {
            let mut harness = AsyncMigrationHarness::new(c.into_inner());
            harness.run_pending_migrations(SQLITE).map(|v| v.len()).map_err(Error::internal)
        }
    }
}

/// Undoes every migration (for the test that proves that down mirrors up).
pub async fn down_all(db: &Db) -> Result<usize> {
    match db.conn().await? {
        Conn::Pg(c) => {
            AsyncMigrationHarness::new(c).revert_all_migrations(POSTGRES).map(|v| v.len()).map_err(Error::internal)
        }
        Conn::Lite(c) => AsyncMigrationHarness::new(c.into_inner())
            .revert_all_migrations(SQLITE)
            .map(|v| v.len())
            .map_err(Error::internal),
    }
}

/// How many migrations this build knows that the database has not seen.
pub async fn pending(db: &Db) -> Result<usize> {
    use diesel::QueryDsl;
    use diesel_async::RunQueryDsl;
    diesel::table! {
        __diesel_schema_migrations (version) {
            version -> Text,
        }
    }
    let known: Vec<String> = match db {
        Db::Pg(_) => names::<diesel::pg::Pg>(&POSTGRES)?,
        Db::Lite { .. } => names::<diesel::sqlite::Sqlite>(&SQLITE)?,
    };
    let mut conn = db.conn().await?;
    let applied: Vec<String> = on!(&mut conn, |c| __diesel_schema_migrations::table
        .select(__diesel_schema_migrations::version)
        .load(c)
        .await)?;
    Ok(known.iter().filter(|version| !applied.contains(version)).count())
}

fn names<DB: diesel::backend::Backend>(source: &EmbeddedMigrations) -> Result<Vec<String>>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let list = MigrationSource::<DB>::migrations(source).map_err(Error::internal)?;
    Ok(list.iter().map(|m| m.name().version().to_string()).collect())
}
