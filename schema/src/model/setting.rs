//! Stored values of settings; what is not stored has its default.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::on;
use crate::table::settings;

/// One stored value.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = settings)]
pub struct StoredSetting {
    pub name: String,
    pub value: String,
    pub sealed: bool,
    pub version: i64,
    pub updated_at: Time,
    pub updated_by: String,
}

impl StoredSetting {
    pub async fn all(conn: &mut Conn) -> QueryResult<Vec<Self>> {
        on!(conn, |c| settings::table.select(Self::as_select()).order(settings::name).load(c).await)
    }
    /// What is stored under a name.
    pub async fn find(conn: &mut Conn, name: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| settings::table.find(name).select(Self::as_select()).first(c).await.optional())
    }
    /// Writes the value, whatever was there.
    pub async fn put(&self, conn: &mut Conn) -> QueryResult<()> {
        on!(conn, |c| diesel::insert_into(settings::table)
            .values(self)
            .on_conflict(settings::name)
            .do_update()
            .set((
                settings::value.eq(&self.value),
                settings::sealed.eq(self.sealed),
                settings::version.eq(settings::version + 1),
                settings::updated_at.eq(self.updated_at),
                settings::updated_by.eq(&self.updated_by),
            ))
            .execute(c)
            .await)?;
        Ok(())
    }
    /// Writes the value over the one of this version, 0 being none; false when another stands there.
    pub async fn put_over(&self, conn: &mut Conn, version: i64) -> QueryResult<bool> {
        let written = if version == 0 {
            on!(conn, |c| diesel::insert_into(settings::table)
                .values(self)
                .on_conflict(settings::name)
                .do_nothing()
                .execute(c)
                .await)?
        } else {
            on!(conn, |c| diesel::update(
                settings::table.filter(settings::name.eq(&self.name)).filter(settings::version.eq(version))
            )
            .set((
                settings::value.eq(&self.value),
                settings::sealed.eq(self.sealed),
                settings::version.eq(settings::version + 1),
                settings::updated_at.eq(self.updated_at),
                settings::updated_by.eq(&self.updated_by),
            ))
            .execute(c)
            .await)?
        };
        Ok(written == 1)
    }
    pub async fn delete(conn: &mut Conn, name: &str) -> QueryResult<usize> {
        on!(conn, |c| diesel::delete(settings::table.find(name)).execute(c).await)
    }
    /// Removes the value of this version, 0 being none; false when another stands there.
    pub async fn delete_over(conn: &mut Conn, name: &str, version: i64) -> QueryResult<bool> {
        if version == 0 {
            let stored: i64 =
                on!(conn, |c| settings::table.filter(settings::name.eq(name)).count().get_result(c).await)?;
            return Ok(stored == 0);
        }
        let gone = on!(conn, |c| diesel::delete(
            settings::table.filter(settings::name.eq(name)).filter(settings::version.eq(version))
        )
        .execute(c)
        .await)?;
        Ok(gone == 1)
    }
}
