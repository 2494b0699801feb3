//! Private PostgreSQL and Redis servers for the suite, one of each per test process.
//!
//! Nothing has to be running or configured: the servers come from the installed packages, listen on a free port of
//! 127.0.0.1, keep their files in a temporary folder and die with the test process, however that ends (a watchdog
//! shell holds the other end of a pipe and cleans up when it closes). `TEST_DATABASE_URL` and `TEST_REDIS_URL` name
//! servers to use instead. Where a server is not installed the test is skipped with a visible line; under `CI` that
//! is a failure. What the databases contain is not this module's business.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OnceCell};

/// A PostgreSQL server on which every test makes databases of its own.
#[derive(Clone)]
pub struct PgServer {
    /// URL without the database: `postgres://user[:password]@host:port`.
    base: String,
    /// The database through which others are made.
    maintenance: String,
    query: String,
    templates: Arc<Mutex<HashMap<String, String>>>,
    _process: Option<Arc<Watched>>,
}

/// A Redis server shared by the tests of this process.
#[derive(Clone)]
pub struct RedisServer {
    base: String,
    /// How many numbered databases it has; zero where we may use only the one in the URL.
    databases: u32,
    _process: Option<Arc<Watched>>,
}

/// One test's corner of a Redis server.
#[derive(Clone, Debug)]
pub struct RedisDb {
    /// URL with the database number, to be given as `REDIS_URL`.
    pub url: String,
    /// Unique in this run; for channels, which numbered databases do not keep apart.
    pub prefix: String,
}

static POSTGRES: OnceCell<Option<PgServer>> = OnceCell::const_new();
static REDIS: OnceCell<Option<RedisServer>> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(1);

/// The PostgreSQL server of this test process, started at the first call; `None` (after a visible line) where
/// PostgreSQL is not installed.
///
/// # Panics
/// When it is installed and does not start, and under `CI` when it is not installed.
pub async fn postgres() -> Option<PgServer> {
    POSTGRES
        .get_or_init(|| async {
            if let Ok(url) = std::env::var("TEST_DATABASE_URL")
                && url.starts_with("postgres")
            {
                let server = PgServer::at(&url);
                server.drop_leftovers().await;
                return Some(server);
            }
            let Some(bin) = postgres_bin() else {
                return not_installed("postgres");
            };
            let started = tokio::task::spawn_blocking(move || start_postgres(&bin)).await;
            let (url, process) =
                started.expect("starting PostgreSQL does not panic").expect("PostgreSQL is installed and starts");
            let mut server = PgServer::at(&url);
            server._process = Some(Arc::new(process));
            server.wait_until_it_answers().await;
            Some(server)
        })
        .await
        .clone()
}

/// The Redis server of this test process, started at the first call; `None` (after a visible line) where Redis is not
/// installed.
///
/// # Panics
/// As [`postgres`].
pub async fn redis() -> Option<RedisServer> {
    REDIS
        .get_or_init(|| async {
            if let Ok(url) = std::env::var("TEST_REDIS_URL") {
                return Some(RedisServer { base: url, databases: 0, _process: None });
            }
            redis_alone().await
        })
        .await
        .clone()
}

/// A Redis server for one test alone, for tests that stop it, flush it or listen to every channel. It ends when the
/// last clone of the handle is dropped.
pub async fn redis_alone() -> Option<RedisServer> {
    let Some(program) = on_path("redis-server") else {
        return not_installed("redis");
    };
    let started = tokio::task::spawn_blocking(move || start_redis(&program)).await;
    let (url, process) = started.expect("starting Redis does not panic").expect("Redis is installed and starts");
    Some(RedisServer { base: url, databases: REDIS_DATABASES, _process: Some(Arc::new(process)) })
}

/// Makes an empty database and answers its URL.
///
/// # Panics
/// When the server refuses.
pub async fn pg_database(server: &PgServer) -> String {
    server.create("template0").await
}

/// Makes a database that is a copy of a template, and answers its URL. The template is made once per process by
/// `fill`, which gets the URL of an empty database, brings it to the wanted state and closes its connections.
///
/// # Panics
/// When the server refuses.
pub async fn pg_database_like<F>(server: &PgServer, template: &str, fill: impl FnOnce(String) -> F) -> String
where
    F: Future<Output = ()>,
{
    let mut templates = server.templates.lock().await;
    let name = match templates.get(template) {
        Some(name) => name.clone(),
        None => {
            let url = server.create("template0").await;
            let name = server.name_in(&url).to_owned();
            fill(url).await;
            templates.insert(template.to_owned(), name.clone());
            name
        }
    };
    drop(templates);
    server.create(&name).await
}

/// A corner of the server which no other test of this process uses.
///
/// # Panics
/// When all numbered databases of a private server are taken.
pub fn redis_db(server: &RedisServer) -> RedisDb {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let prefix = format!("t{}-{number}:", std::process::id());
    if server.databases == 0 {
        return RedisDb { url: server.base.clone(), prefix };
    }
    assert!(number < server.databases, "more Redis databases asked for than the private server has");
    RedisDb { url: format!("{}/{number}", server.base), prefix }
}

impl PgServer {
    fn at(url: &str) -> PgServer {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let start = address.find("://").map_or(0, |at| at + 3);
        let (base, maintenance) = match address[start..].find('/') {
            Some(slash) => (&address[..start + slash], &address[start + slash + 1..]),
            None => (address, "postgres"),
        };
        PgServer {
            base: base.to_owned(),
            maintenance: if maintenance.is_empty() { "postgres" } else { maintenance }.to_owned(),
            query: if query.is_empty() { String::new() } else { format!("?{query}") },
            templates: Arc::default(),
            _process: None,
        }
    }

    /// URL of a database of this server.
    pub fn url(&self, database: &str) -> String {
        format!("{}/{database}{}", self.base, self.query)
    }

    /// Drops a database made by [`pg_database`], even while connections to it are open.
    pub async fn drop_database(&self, url: &str) {
        let name = self.name_in(url);
        self.run(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"))
            .await
            .expect("the database can be dropped");
    }

    fn name_in<'a>(&self, url: &'a str) -> &'a str {
        let name = url.strip_prefix(&self.base).unwrap_or(url).trim_start_matches('/');
        name.split('?').next().unwrap_or(name)
    }

    async fn create(&self, template: &str) -> String {
        let name = format!("tollgate_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let made = self.run(&format!("CREATE DATABASE \"{name}\" TEMPLATE \"{template}\"")).await;
            let Err(error) = made else {
                return self.url(&name);
            };
            // 55006: the connections of whoever filled the template are still closing.
            let busy = error.code().is_some_and(|code| code.code() == "55006");
            assert!(busy && Instant::now() < deadline, "cannot create a database: {error:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn run(&self, statement: &str) -> Result<(), tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.url(&self.maintenance), tokio_postgres::NoTls).await?;
        let driver = tokio::spawn(connection);
        let done = client.batch_execute(statement).await;
        drop(client);
        // Waiting for the driver closes the connection before the next statement counts connections.
        let _ = driver.await;
        done
    }

    async fn wait_until_it_answers(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Err(error) = self.run("SELECT 1").await {
            assert!(Instant::now() < deadline, "PostgreSQL does not answer: {error}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Removes what earlier runs left on a server that outlives us: databases whose process is gone and which nobody
    /// is connected to.
    async fn drop_leftovers(&self) {
        let Ok((client, connection)) =
            tokio_postgres::connect(&self.url(&self.maintenance), tokio_postgres::NoTls).await
        else {
            panic!("TEST_DATABASE_URL is set and nothing answers there");
        };
        let driver = tokio::spawn(connection);
        let names = "SELECT datname FROM pg_database WHERE datname LIKE 'tollgate\\_test\\_%'";
        for row in client.query(names, &[]).await.unwrap_or_default() {
            let name: String = row.get(0);
            let owner = name.split('_').nth(2).unwrap_or_default();
            if !Path::new("/proc").join(owner).exists() {
                // Refused while somebody uses it, which is what we want.
                let _ = client.batch_execute(&format!("DROP DATABASE \"{name}\"")).await;
            }
        }
        drop(client);
        let _ = driver.await;
    }
}

impl RedisServer {
    /// URL of the server without a database number.
    pub fn url(&self) -> &str {
        &self.base
    }
}

const REDIS_DATABASES: u32 = 4096;

/// A server behind a shell that outlives us just long enough to stop it and remove its files.
struct Watched {
    shell: Child,
    /// Closing it, by dropping or by dying, is the signal to the shell.
    lifeline: Option<ChildStdin>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _ = self.shell.wait();
    }
}

/// `$1` is the folder to remove, the rest is the server's command line.
const WATCHDOG: &str = r#"
folder=$1; shift
"$@" >"$folder/log" 2>&1 </dev/null &
server=$!
( while kill -0 "$server" 2>/dev/null; do sleep 1; done; kill "$$" 2>/dev/null ) >/dev/null 2>&1 </dev/null &
trap 'tail -n 20 "$folder/log" >&2; rm -rf "$folder"; exit 1' TERM
cat >/dev/null
trap '' TERM PIPE QUIT
exec 2>/dev/null
kill -QUIT 0
sleep 0.05
kill -KILL "$server" 2>/dev/null
wait "$server"
rm -rf "$folder"
"#;

/// Makes the cluster in `$2` with `$1`, then becomes the rest of the command line.
const INITDB_THEN: &str = r#"
initdb=$1; data=$2; shift 2
"$initdb" --no-sync --auth=trust --username=postgres --encoding=UTF8 --locale=C --pgdata "$data" && exec "$@"
"#;

fn watch(
    folder: &Path,
    user: Option<(u32, u32)>,
    command: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> io::Result<Watched> {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", WATCHDOG, "watchdog"])
        .arg(folder)
        .args(command)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // A group of its own: Ctrl-C ends us, and our end ends the server in order.
        .process_group(0);
    if let Some((uid, gid)) = user {
        shell.uid(uid).gid(gid);
    }
    let mut shell = shell.spawn()?;
    let lifeline = shell.stdin.take();
    Ok(Watched { shell, lifeline })
}

fn start_postgres(bin: &Path) -> io::Result<(String, Watched)> {
    let (port, process) = start_on_free_port(|port| {
        let folder = temporary_folder("pg")?;
        let user = unprivileged(&folder, &["postgres", "nobody"])?;
        let (data, port) = (folder.join("data"), port.to_string());
        let mut command: Vec<&OsStr> = ["/bin/sh", "-c", INITDB_THEN, "initdb"].map(OsStr::new).to_vec();
        let (initdb, server) = (bin.join("initdb"), bin.join("postgres"));
        command.extend([initdb.as_os_str(), data.as_os_str(), server.as_os_str()]);
        command.extend([OsStr::new("-D"), data.as_os_str(), OsStr::new("-p"), OsStr::new(&port)]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "autovacuum=off",
            "max_connections=600",
            "shared_buffers=64MB",
            "max_wal_size=256MB",
            "log_min_messages=warning",
        ] {
            command.extend([OsStr::new("-c"), OsStr::new(setting)]);
        }
        watch(&folder, user, command)
    })?;
    Ok((format!("postgres://postgres@127.0.0.1:{port}"), process))
}

fn start_redis(program: &Path) -> io::Result<(String, Watched)> {
    let (port, process) = start_on_free_port(|port| {
        let folder = temporary_folder("redis")?;
        let (port, databases) = (port.to_string(), REDIS_DATABASES.to_string());
        let mut command = vec![program.as_os_str()];
        let arguments =
            ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--databases", &databases];
        command.extend(arguments.iter().map(OsStr::new));
        watch(&folder, None, command)
    })?;
    Ok((format!("redis://127.0.0.1:{port}"), process))
}

/// Another process may take the port between our look and the server's bind; then we try the next.
fn start_on_free_port(start: impl Fn(u16) -> io::Result<Watched>) -> io::Result<(u16, Watched)> {
    let mut said = String::new();
    for _ in 0..5 {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut process = start(port)?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
                return Ok((port, process));
            }
            if process.shell.try_wait()?.is_some() {
                if let Some(mut stderr) = process.shell.stderr.take() {
                    stderr.read_to_string(&mut said)?;
                }
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Err(io::Error::other(format!("the server did not open its port: {said}")))
}

fn temporary_folder(kind: &str) -> io::Result<PathBuf> {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("tollgate-{kind}-{}-{number}", std::process::id()));
    // A folder of that name can only be the rest of a process that had our number before us.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
    Ok(folder)
}

/// PostgreSQL refuses to run as root: hands the folder to the first of `users` that exists and answers its ids.
fn unprivileged(folder: &Path, users: &[&str]) -> io::Result<Option<(u32, u32)>> {
    if std::fs::metadata(folder)?.uid() != 0 {
        return Ok(None);
    }
    let passwd = std::fs::read_to_string("/etc/passwd")?;
    let ids = users.iter().find_map(|user| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(user))?;
        let mut fields = line.split(':').skip(2).map(str::parse::<u32>);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    });
    let Some((uid, gid)) = ids else {
        return Err(io::Error::other("running as root and no unprivileged user to run PostgreSQL as"));
    };
    chown(folder, Some(uid), Some(gid))?;
    Ok(Some((uid, gid)))
}

fn postgres_bin() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join("initdb").exists().then_some((version, bin))
        })
        .collect();
    versions.sort();
    let newest = versions.pop().map(|(_, bin)| bin);
    newest.or_else(|| on_path("initdb")?.parent().map(Path::to_owned).filter(|bin| bin.join("postgres").exists()))
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Written past the test runner's capture, so that a green run shows what it did not test.
fn not_installed<T>(what: &str) -> Option<T> {
    static SAID: OnceLock<std::sync::Mutex<Vec<String>>> = OnceLock::new();
    assert!(std::env::var_os("CI").is_none(), "{what} is not installed, and under CI nothing may be skipped");
    let mut said = SAID.get_or_init(Default::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if !said.iter().any(|earlier| earlier == what) {
        said.push(what.to_owned());
        let _ = writeln!(io::stderr(), "skipped: {what} is not installed");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn databases_are_apart_and_copies_carry_the_template() {
        let Some(server) = postgres().await else {
            return;
        };
        let fill = |url: String| async move {
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("connects");
            let driver = tokio::spawn(connection);
            client.batch_execute("CREATE TABLE t (n int); INSERT INTO t VALUES (7)").await.expect("fills");
            drop(client);
            driver.await.expect("driver ends").expect("cleanly");
        };
        let first = pg_database_like(&server, "sevens", fill).await;
        let never = |_| async { panic!("a template is filled once") };
        let second = pg_database_like(&server, "sevens", never).await;
        assert_ne!(first, second);
        for url in [&first, &second] {
            let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("connects");
            tokio::spawn(connection);
            let row = client.query_one("DELETE FROM t RETURNING n", &[]).await.expect("the row is there");
            assert_eq!(row.get::<_, i32>(0), 7);
        }
        let empty = pg_database(&server).await;
        let (client, connection) = tokio_postgres::connect(&empty, tokio_postgres::NoTls).await.expect("connects");
        tokio::spawn(connection);
        assert!(client.query("SELECT n FROM t", &[]).await.is_err());
        server.drop_database(&empty).await;
        assert!(client.query("SELECT 1", &[]).await.is_err());
    }

    #[tokio::test]
    async fn redis_corners_do_not_see_each_other() {
        let Some(server) = redis().await else { return };
        let (one, two) = (redis_db(&server), redis_db(&server));
        assert_ne!(one.prefix, two.prefix);
        let open = async |url: &str| {
            let client = redis::Client::open(url).expect("a good URL");
            client.get_multiplexed_async_connection().await.expect("connects")
        };
        if one.url == two.url {
            return;
        }
        let (mut first, mut second) = (open(&one.url).await, open(&two.url).await);
        let () = redis::cmd("SET").arg("k").arg(1).query_async(&mut first).await.expect("set");
        let seen: Option<i32> = redis::cmd("GET").arg("k").query_async(&mut second).await.expect("get");
        assert_eq!(seen, None);
    }

    #[tokio::test]
    async fn a_private_server_ends_with_its_handle() {
        let Some(server) = redis_alone().await else {
            return;
        };
        let address = server.url().trim_start_matches("redis://").to_owned();
        assert!(TcpStream::connect(&address).is_ok());
        tokio::task::spawn_blocking(move || drop(server)).await.expect("drops");
        assert!(TcpStream::connect(&address).is_err());
    }
}
