//! Ten processes that start at once on an empty database, and the one that may serve without Redis.

use std::time::Duration;

use harness::services;
use schema::clock::SECOND;
use schema::config::Env;
use schema::model::lease::Lease;
use schema::service::settle;
use schema::service::user::ensure_first_admin;
use schema::{App, Clock, Config};

async fn start(url: &str, redis: Option<&services::RedisDb>, folder: &std::path::Path) -> App {
    let key = "11".repeat(32);
    let mut env = vec![
        ("DATA_DIR", folder.to_str().expect("a path")),
        ("DATABASE_URL", url),
        ("DATABASE_CONNECTIONS", "2"),
        ("JWT_SECRET", "a secret of tests, long enough to be one"),
        ("ENCRYPTION_KEY", &key),
    ];
    if let Some(redis) = redis {
        env.extend([("REDIS_URL", redis.url.as_str()), ("REDIS_PREFIX", redis.prefix.as_str())]);
    }
    let mut config = Config::read(&Env::of(&env), "127.0.0.1:0").expect("a sound configuration");
    config.weak_hash = true;
    App::connect(config).await.expect("the application connects")
}

fn folder() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("tollgate-starts-{}", schema::id::uuid()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 12)]
async fn ten_start_at_once_on_an_empty_database() {
    let (Some(postgres), Some(redis)) = (services::postgres().await, services::redis().await) else { return };
    let url = services::pg_database(&postgres).await;
    let redis = services::redis_db(&redis);
    let folder = folder();
    let starts: Vec<_> = (0..10)
        .map(|number| {
            let (url, redis, own) = (url.clone(), redis.clone(), folder.join(number.to_string()));
            tokio::spawn(async move {
                let app = start(&url, Some(&redis), &own).await;
                settle::start(&app).await.expect("the accounting starts");
                let first = ensure_first_admin(&app).await.expect("there is an administrator");
                assert_eq!(schema::db::pending(&app.db).await.expect("asked"), 0);
                (app, first.is_some())
            })
        })
        .collect();
    let mut made = 0;
    let mut apps = Vec::new();
    for start in starts {
        let (app, first) = start.await.expect("it starts");
        made += usize::from(first);
        apps.push(app);
    }
    assert_eq!(made, 1, "one of them makes the first administrator");
    for app in apps {
        app.shut_down().await;
    }
    let _ = std::fs::remove_dir_all(&folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_one_process_serves_a_database() {
    let Some(postgres) = services::postgres().await else { return };
    let url = services::pg_database(&postgres).await;
    let folder = folder();
    let app = start(&url, None, &folder).await;
    // A process of another machine holds the database, and goes on holding it.
    let holder = tokio::spawn({
        let app = app.clone();
        async move {
            loop {
                let expires_at = Clock::System.now().plus(30 * SECOND);
                let lease = Lease { name: "process".into(), holder: "elsewhere/boot 1 1".into(), expires_at };
                lease.put(&mut app.db.conn().await.expect("a connection")).await.expect("written");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    loop {
        let held = Lease::find(&mut app.db.conn().await.expect("a connection"), "process").await.expect("read");
        if held.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refused = settle::start(&app).await.expect_err("it is held");
    assert!(refused.to_string().contains("REDIS_URL"), "{refused}");
    holder.abort();
    let _ = holder.await;
    Lease::delete(&mut app.db.conn().await.expect("a connection"), "process", "elsewhere/boot 1 1")
        .await
        .expect("gone");
    settle::start(&app).await.expect("it is free");
    app.shut_down().await;
    let _ = std::fs::remove_dir_all(&folder);
}
