//! Several processes as one: PostgreSQL and Redis underneath, two applications over them.

mod limits;
mod logins;
mod months;
mod patience;
mod settling;
mod starts;

use std::path::PathBuf;

use harness::services::{self, RedisDb};
use schema::config::Env;
use schema::service::settle::{self, Counts, Settlement};
use schema::service::user::NewPerson;
use schema::{Actor, App, Clock, Config, Micros, Time};

/// 2025-10-11T10:00:00Z, a Saturday.
const START: Time = Time(1_760_176_800_000);

/// Two processes over one PostgreSQL and one Redis.
struct Pair {
    one: App,
    two: App,
    clock: Clock,
    url: String,
    redis: RedisDb,
    folders: Vec<PathBuf>,
}

impl Pair {
    /// `None`, after a visible line, where a server is not installed.
    async fn start() -> Option<Self> {
        let (postgres, redis) = (services::postgres().await?, services::redis().await?);
        let url = services::pg_database_like(&postgres, "tollgate", |url| async move {
            let db = schema::db::Db::connect(&url, schema::db::PoolSize(1)).await.expect("the template opens");
            db.migrate().await.expect("the template is migrated");
        })
        .await;
        let redis = services::redis_db(&redis);
        let clock = Clock::manual(START);
        let mut folders = Vec::new();
        let one = process(&url, &redis, &clock, &mut folders).await;
        let two = process(&url, &redis, &clock, &mut folders).await;
        Some(Self { one, two, clock, url, redis, folders })
    }

    /// One more process.
    async fn another(&mut self) -> App {
        process(&self.url, &self.redis, &self.clock, &mut self.folders).await
    }

    /// A user with so much in the wallet.
    async fn user(&self, name: &str, balance: i64) -> i64 {
        let new = NewPerson {
            username: name.into(),
            password: Some("password-of-a-user".into()),
            balance: Some(Micros(balance)),
            ..NewPerson::default()
        };
        schema::service::user::create(&self.one, &Actor::system(), new).await.expect("a person is made").id
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.one.stop.cancel();
        self.two.stop.cancel();
        for folder in &self.folders {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

async fn process(url: &str, redis: &RedisDb, clock: &Clock, folders: &mut Vec<PathBuf>) -> App {
    let folder = std::env::temp_dir().join(format!("tollgate-scale-{}", schema::id::uuid()));
    let key = "11".repeat(32);
    let env = [
        ("DATA_DIR", folder.to_str().expect("a path")),
        ("DATABASE_URL", url),
        ("DATABASE_CONNECTIONS", "6"),
        ("REDIS_URL", &redis.url),
        ("REDIS_PREFIX", &redis.prefix),
        ("JWT_SECRET", "a secret of tests, long enough to be one"),
        ("ENCRYPTION_KEY", &key),
    ];
    let mut config = Config::read(&Env::of(&env), "127.0.0.1:0").expect("a sound configuration");
    config.weak_hash = true;
    folders.push(folder);
    let app = App::connect_at(config, clock.clone()).await.expect("the application connects");
    settle::start(&app).await.expect("the accounting starts");
    app
}

fn call(user_id: i64, key_id: i64, at: Time, cost: i64) -> Settlement {
    Settlement {
        call_id: schema::id::uuid(),
        at,
        user_id,
        key_id,
        account_id: 3,
        model: "claude-x".into(),
        dialect: "anthropic".into(),
        operation: "messages".into(),
        status: 200,
        counts: Counts { input: 10, output: 5, cache_read: 2, ..Counts::default() },
        cost,
        raw_cost: cost,
        from_wallet: true,
        meta: r#"{"accountBookId":"b1"}"#.into(),
        ..Settlement::default()
    }
}
