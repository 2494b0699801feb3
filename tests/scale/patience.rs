//! How long a statement may run on PostgreSQL: whoever waits is told soon, work beside them has time.

use std::time::{Duration, Instant};

use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use harness::{TestApp, at, services};
use schema::db::patient;
use schema::model::user::User;
use schema::{App, Error, Micros, Role, on};
use serde_json::json;

use crate::Pair;

async fn sleep(app: &App, seconds: u32) -> Result<(), Error> {
    let mut conn = app.db.conn().await?;
    on!(&mut conn, |c| diesel::sql_query(format!("SELECT pg_sleep({seconds})")).execute(c).await)?;
    Ok(())
}

async fn limit(app: &App) -> String {
    let mut conn = app.db.conn().await.expect("a connection");
    let asked = diesel::dsl::sql::<Text>("current_setting('statement_timeout')");
    on!(&mut conn, |c| diesel::select(asked).get_result(c).await).expect("a setting")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_runs_as_long_as_its_work_is_given() {
    let Some(pair) = Pair::start().await else { return };
    let start = Instant::now();
    let prompt = async {
        let stopped = sleep(&pair.one, 60).await;
        (stopped, start.elapsed())
    };
    let ((stopped, after), patient_one) = tokio::join!(prompt, patient(sleep(&pair.one, 6)));
    let error = stopped.expect_err("it takes too long");
    assert!(error.is_overdue() && error.code() == "UNAVAILABLE" && error.status() == 503, "{error:?}");
    assert!(after < Duration::from_secs(30), "{after:?}");
    assert!(patient_one.is_ok(), "{patient_one:?}");
    // Connections go from one kind of work to the other.
    for _ in 0..4 {
        for _ in 0..8 {
            assert_eq!(limit(&pair.one).await, "5s");
        }
        assert_eq!(patient(limit(&pair.one)).await, "1min");
    }
    // A transaction that ran out of its time leaves nothing behind.
    let mut tx = pair.one.db.begin().await.expect("a transaction");
    let stopped = on!(&mut *tx, |c| diesel::sql_query("SELECT pg_sleep(60)").execute(c).await);
    assert!(stopped.map_err(Error::from).is_err_and(|error| error.is_overdue()));
    drop(tx);
    assert_eq!(limit(&pair.one).await, "5s");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_the_database_too_long_is_told_as_that() {
    let Some(postgres) = services::postgres().await else { return };
    let url = services::pg_database_like(&postgres, "tollgate", |url| async move {
        let db = schema::db::Db::connect(&url, schema::db::PoolSize(1)).await.expect("the template opens");
        db.migrate().await.expect("the template is migrated");
    })
    .await;
    let app = TestApp::builder()
        .env("DATABASE_URL", &url)
        .env("JWT_SECRET", "a secret of tests, long enough to be one")
        .env("ENCRYPTION_KEY", &"11".repeat(32))
        .start()
        .await;
    let admin = app.admin().await;
    let ann = app.person("ann", Role::User, Micros(5_000_000)).await.id;
    let found = admin.data("{ users(filter: { search: \"ann\" }) { nodes { id } } }", json!({})).await;
    let adjust =
        "mutation ($i: WalletAdjustInput!) { walletAdjust(input: $i) { user { balance } userErrors { code } } }";
    let input = json!({ "i": { "userId": at(&found, "users.nodes.0.id"), "amount": "1" } });
    // Somebody holds the wallet, and does not let go.
    let mut held = app.app.db.begin().await.expect("a transaction");
    User::lock_wallet(&mut held, ann).await.expect("a lock").expect("a wallet");
    let told = admin.graphql(adjust, input.clone()).await;
    assert_eq!(at(&told, "errors.0.extensions.code"), &json!("TIMEOUT"), "{told}");
    let words = at(&told, "errors.0.message").as_str().unwrap_or_default();
    assert!(words.contains("took too long") && !words.contains("statement"), "{told}");
    held.rollback().await.expect("let go");
    let done = admin.data(adjust, input).await;
    assert_eq!(at(&done, "walletAdjust.user.balance"), &json!("6.000000"), "{done}");
}
