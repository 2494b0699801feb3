//! The product under test: the real router on a real port, a database of its own, callers as values.
//!
//! By default everything is embedded and nothing has to be installed. With `TEST_SCALED=1` the same
//! tests run on PostgreSQL and Redis, which the harness starts privately.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use schema::config::Env;
use schema::service::user::NewPerson;
use schema::{Actor, App, Clock, Config, Micros, Role, Time};
use serde_json::{Value, json};

use crate::client::Client;
use crate::services;

/// The first administrator of every test.
pub const ADMIN_PASSWORD: &str = "correct-horse-battery";
/// The password of everybody else.
pub const PASSWORD: &str = "password-of-a-user";

/// Whether this run is on PostgreSQL and Redis.
pub fn scaled() -> bool {
    std::env::var("TEST_SCALED").is_ok_and(|v| v == "1")
}

/// One running product.
pub struct TestApp {
    pub app: App,
    pub url: String,
    folder: PathBuf,
    env: Vec<(String, String)>,
    owns_folder: bool,
}

/// How a test wants its product.
#[derive(Default)]
pub struct Builder {
    env: Vec<(String, String)>,
    clock: Option<Clock>,
}

impl Builder {
    /// Sets a variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }
    /// A clock that stands still until it is moved.
    pub fn clock_at(mut self, at: Time) -> Self {
        self.clock = Some(Clock::manual(at));
        self
    }
    /// Starts it.
    pub async fn start(self) -> TestApp {
        let folder = fresh_folder();
        let mut env = vec![
            ("DATA_DIR".to_owned(), folder.to_string_lossy().into_owned()),
            ("ADMIN_PASSWORD".to_owned(), ADMIN_PASSWORD.to_owned()),
            ("DATABASE_CONNECTIONS".to_owned(), "8".to_owned()),
            ("STOP_SECONDS".to_owned(), "5".to_owned()),
        ];
        if scaled() {
            let postgres = services::postgres().await.expect("TEST_SCALED=1 needs PostgreSQL");
            let redis = services::redis().await.expect("TEST_SCALED=1 needs Redis");
            let database = services::pg_database_like(&postgres, "tollgate", |url| async move {
                let db = schema::db::Db::connect(&url, schema::db::PoolSize(1)).await.expect("the template opens");
                db.migrate().await.expect("the template is migrated");
            })
            .await;
            let corner = services::redis_db(&redis);
            env.extend([
                ("DATABASE_URL".to_owned(), database),
                ("REDIS_URL".to_owned(), corner.url),
                ("REDIS_PREFIX".to_owned(), corner.prefix),
                ("JWT_SECRET".to_owned(), "a secret of tests, long enough to be one".to_owned()),
                ("ENCRYPTION_KEY".to_owned(), "11".repeat(32)),
            ]);
        } else {
            copy_template(&folder).await;
        }
        env.extend(self.env);
        TestApp::boot(folder, env, self.clock.unwrap_or_default(), true).await
    }
}

impl TestApp {
    /// A product with nothing in it but the first administrator.
    pub async fn new() -> Self {
        Self::builder().start().await
    }
    pub fn builder() -> Builder {
        Builder::default()
    }

    async fn boot(folder: PathBuf, env: Vec<(String, String)>, clock: Clock, owns_folder: bool) -> Self {
        let pairs: Vec<(&str, &str)> = env.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let listener = relay::edge::bind("127.0.0.1:0".parse().expect("an address")).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mut config = Config::read(&Env::of(&pairs), &address.to_string()).expect("a sound configuration");
        config.weak_hash = true;
        let app = App::connect_at(config, clock).await.expect("the application connects");
        schema::service::user::ensure_first_admin(&app).await.expect("the first administrator is made");
        graphql::process::start(&app).await.expect("background work starts");
        let entrance = graphql::process::entrance(&app);
        let served = app.clone();
        let answer = move |request| entrance.clone().answer(request);
        tokio::spawn(async move { relay::edge::serve(&served, listener, answer).await });
        Self { app, url: format!("http://{address}"), folder, env, owns_folder }
    }

    /// A second process over the same database (and Redis), as far as tests can have one.
    pub async fn peer(&self) -> Self {
        let clock = self.app.clock.clone();
        Self::boot(self.folder.clone(), self.env.clone(), clock, false).await
    }

    /// Stops this process as a graceful stop does and starts it again on the same data.
    pub async fn restart(mut self) -> Self {
        self.app.shut_down().await;
        self.owns_folder = false;
        Self::boot(self.folder.clone(), self.env.clone(), self.app.clock.clone(), true).await
    }

    /// The folder of this product's data.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// Nobody in particular.
    pub fn anonymous(&self) -> Client {
        Client::new(&self.url, None)
    }

    /// The first administrator, signed in through GraphQL.
    pub async fn admin(&self) -> Client {
        self.sign_in("admin", ADMIN_PASSWORD).await
    }

    /// A fresh user of a name, signed in.
    pub async fn user(&self, name: &str) -> Client {
        self.person(name, Role::User, Micros::ZERO).await;
        self.sign_in(name, PASSWORD).await
    }

    /// A fresh person straight through the service.
    pub async fn person(&self, name: &str, role: Role, balance: Micros) -> schema::model::user::User {
        let new = NewPerson {
            username: name.into(),
            password: Some(PASSWORD.into()),
            email: Some(format!("{name}@example.com")),
            role: Some(role),
            balance: Some(balance),
            ..NewPerson::default()
        };
        schema::service::user::create(&self.app, &Actor::system(), new).await.expect("a person is made")
    }

    /// Somebody signed in through GraphQL.
    pub async fn sign_in(&self, name: &str, password: &str) -> Client {
        let query = "mutation ($input: SignInInput!) { signIn(input: $input) { token userErrors { message } } }";
        let variables = json!({ "input": { "username": name, "password": password } });
        let answer = self.anonymous().graphql(query, variables).await;
        let token = answer["data"]["signIn"]["token"].as_str();
        Client::new(&self.url, Some(token.unwrap_or_else(|| panic!("{name} signs in: {answer}"))))
    }

    /// An actor of the system, for calling services directly.
    pub fn system(&self) -> Actor {
        Actor::system()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.app.stop.cancel();
        if self.owns_folder {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

static FOLDERS: AtomicU32 = AtomicU32::new(0);

fn fresh_folder() -> PathBuf {
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("tollgate-{}-{number}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

/// A migrated file, made once per test process and copied for each test.
async fn copy_template(folder: &std::path::Path) {
    static TEMPLATE: tokio::sync::OnceCell<Vec<u8>> = tokio::sync::OnceCell::const_new();
    let bytes = TEMPLATE
        .get_or_init(|| async {
            let folder = fresh_folder();
            let file = folder.join("template.db");
            let db = schema::db::Db::connect(&format!("sqlite://{}", file.display()), schema::db::PoolSize(1))
                .await
                .expect("the template opens");
            db.migrate().await.expect("the template is migrated");
            let mut conn = db.conn().await.expect("a connection");
            if let schema::db::Conn::Lite(c) = &mut conn {
                use diesel_async::SimpleAsyncConnection;
                c.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)").await.expect("the log is folded in");
            }
            let bytes = std::fs::read(&file).expect("the template is read");
            let _ = std::fs::remove_dir_all(&folder);
            bytes
        })
        .await;
    std::fs::write(folder.join("tollgate.db"), bytes).expect("the template is copied");
}

/// The value under a path such as `data.viewer.id`, or null.
pub fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |v, step| match step.parse::<usize>() {
        Ok(index) if v.is_array() => &v[index],
        _ => &v[step],
    })
}
