//! The twin migrations, on the database at hand.

use std::collections::BTreeMap;
use std::path::Path;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use harness::{scaled, services};
use schema::db::{Conn, Db, PoolSize};

fn names(backend: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(backend);
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap())
        .filter(|e| e.path().is_dir())
        .inspect(|e| {
            for file in ["up.sql", "down.sql"] {
                assert!(e.path().join(file).is_file(), "{} lacks {file}", e.path().display());
            }
        })
        .map(|e| e.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_migration_has_its_twin() {
    assert_eq!(names("postgres"), names("sqlite"));
}

async fn empty_database() -> (Db, Option<tempdir::Folder>) {
    if scaled() {
        let server = services::postgres().await.unwrap();
        let url = services::pg_database(&server).await;
        return (Db::connect(&url, PoolSize(2)).await.unwrap(), None);
    }
    let folder = tempdir::Folder::new();
    let url = format!("sqlite://{}", folder.0.join("m.db").display());
    (Db::connect(&url, PoolSize(2)).await.unwrap(), Some(folder))
}

mod tempdir {
    pub struct Folder(pub std::path::PathBuf);
    impl Folder {
        pub fn new() -> Self {
            let path = std::env::temp_dir().join(format!("tollgate-house-{}", schema::id::uuid()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }
    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = diesel::sql_types::Text)]
    owner: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    detail: String,
}

/// Every table with its columns, and every index, as text.
async fn shape(db: &Db) -> BTreeMap<String, Vec<String>> {
    let rows: Vec<Column> = match &mut db.conn().await.unwrap() {
        Conn::Pg(c) => diesel::sql_query(
            "SELECT table_name::text AS owner, column_name || ' ' || data_type || ' ' || is_nullable AS detail \
             FROM information_schema.columns WHERE table_schema = 'public' \
             UNION ALL SELECT tablename::text, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2",
        )
        .load(&mut **c)
        .await
        .unwrap(),
        Conn::Lite(c) => diesel::sql_query(
            "SELECT tbl_name AS owner, COALESCE(sql, name) AS detail FROM sqlite_master \
             WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2",
        )
        .load(&mut **c)
        .await
        .unwrap(),
    };
    let mut shape: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        shape.entry(row.owner).or_default().push(row.detail);
    }
    shape
}

#[tokio::test(flavor = "multi_thread")]
async fn up_down_and_up_again_is_the_same() {
    let (db, _folder) = empty_database().await;
    db.migrate().await.unwrap();
    let first = shape(&db).await;
    assert!(first.len() > 25, "{:?}", first.keys());
    assert_eq!(schema::db::pending(&db).await.unwrap(), 0);
    schema::db::down_all(&db).await.unwrap();
    let left: Vec<String> = shape(&db).await.into_keys().filter(|t| !t.starts_with("__diesel")).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    db.migrate().await.unwrap();
    assert_eq!(shape(&db).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_can_be_read_with_the_columns_the_code_knows() {
    let (db, _folder) = empty_database().await;
    db.migrate().await.unwrap();
    let source = include_str!("../../schema/src/table.rs");
    let mut conn = db.conn().await.unwrap();
    let mut tables = 0;
    for block in source.split("diesel::table! {").skip(1) {
        let mut lines = block.lines().map(str::trim).filter(|l| !l.is_empty());
        let table = lines.next().unwrap().split(' ').next().unwrap();
        let columns: Vec<String> =
            lines.map_while(|l| l.split_once(" -> ")).map(|(name, _)| format!("\"{name}\"")).collect();
        let query = format!("SELECT {} FROM \"{table}\" LIMIT 0", columns.join(", "));
        match &mut conn {
            Conn::Pg(c) => diesel::sql_query(&query).execute(&mut **c).await.map(|_| ()),
            Conn::Lite(c) => diesel::sql_query(&query).execute(&mut **c).await.map(|_| ()),
        }
        .unwrap_or_else(|e| panic!("{table}: {e}"));
        tables += 1;
    }
    assert!(tables > 25);
    let known: Vec<&str> =
        source.lines().filter_map(|l| l.strip_prefix("    ")?.split_once(" (")).map(|(n, _)| n).collect();
    let missing: Vec<String> = shape(&db)
        .await
        .into_keys()
        .filter(|t| !t.starts_with("__diesel") && !t.starts_with("usage_p") && t != "usage_default")
        .filter(|t| !known.contains(&t.as_str()))
        .collect();
    assert!(missing.is_empty(), "tables the code does not know: {missing:?}");
}
