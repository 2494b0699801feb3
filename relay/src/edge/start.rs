//! The command line both binaries share: `--help`, `check`, `migrate`, `check-ledger`, or nothing to serve.

use std::io::Write;

use schema::config::{Env, VARIABLES};
use schema::{App, Config};

/// What a binary was asked to do.
pub enum Command {
    Serve,
    Check,
    Migrate,
    CheckLedger,
}

/// Reads the command line and the environment; ends the process on `--help` or a fault.
pub fn read(binary: &str, default_listen: &str) -> (Command, Config) {
    let mut args = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    let command = match args.next().as_deref() {
        None | Some("serve") => Command::Serve,
        Some("check") => Command::Check,
        Some("migrate") => Command::Migrate,
        Some("check-ledger") => Command::CheckLedger,
        Some("-h" | "--help" | "help") => {
            say(&help(binary));
            std::process::exit(0);
        }
        Some("-V" | "--version") => {
            say(concat!("tollgate ", env!("CARGO_PKG_VERSION")));
            std::process::exit(0);
        }
        Some(other) => fail(&[format!("there is no command {other:?}; see {binary} --help")]),
    };
    if let Some(more) = args.next() {
        fail(&[format!("{binary} takes one command; {more:?} is one too many")]);
    }
    match Config::read(&Env::load(), default_listen) {
        Ok(config) => (command, config),
        Err(faults) => fail(&faults),
    }
}

fn help(binary: &str) -> String {
    let mut text = format!(
        "Usage: {binary} [serve | check | migrate | check-ledger | --help | --version]\n\n\
         serve         serve (also without a command)\n\
         check         validate the configuration and reach everything it names; changes nothing\n\
         migrate       apply pending migrations and stop\n\
         check-ledger  prove that every wallet is the sum of its ledger entries\n\n\
         Variables (from the environment, or a file .env in the working folder):\n"
    );
    for (name, default, meaning) in VARIABLES {
        text.push_str(&format!("  {name}\n      {meaning}\n      default: {default}\n"));
    }
    text
}

/// Runs every command but `serve`; ends the process.
pub async fn run(command: Command, config: Config) -> Option<App> {
    match command {
        Command::Serve => match App::connect(config).await {
            Ok(app) => Some(app),
            Err(e) => fail(&[sentence(&e)]),
        },
        Command::Check => {
            let faults = check(config).await;
            if faults.is_empty() {
                say("the configuration is sound and everything it names is reachable");
                std::process::exit(0);
            }
            fail(&faults)
        }
        Command::Migrate => match migrate(&config).await {
            Ok(done) => {
                say(&format!("{done} migrations applied; the database is up to date"));
                std::process::exit(0);
            }
            Err(e) => fail(&[sentence(&e)]),
        },
        Command::CheckLedger => {
            let wrong = match App::connect(config).await {
                Ok(app) => schema::service::wallet::check_ledger(&app).await,
                Err(e) => Err(e),
            };
            match wrong {
                Ok(wrong) if wrong.is_empty() => {
                    say("every balance is the sum of its ledger entries");
                    std::process::exit(0);
                }
                Ok(wrong) => {
                    let lines: Vec<String> = wrong
                        .iter()
                        .map(|m| {
                            format!(
                                "user {}: balance {} but {} entries sum to {}",
                                m.user_id, m.balance, m.entries, m.total
                            )
                        })
                        .collect();
                    fail(&lines)
                }
                Err(e) => fail(&[sentence(&e)]),
            }
        }
    }
}

/// Applies what is pending; neither Redis nor any secret is needed for it.
async fn migrate(config: &Config) -> schema::Result<usize> {
    schema::app::install_crypto();
    let db = schema::db::Db::connect(config.database.url.reveal(), schema::db::PoolSize(2)).await?;
    db.migrate().await
}

/// One sentence per thing that is wrong; nothing is changed.
async fn check(config: Config) -> Vec<String> {
    schema::app::install_crypto();
    let mut faults = Vec::new();
    let dir = config.data_dir.display();
    if let Err(e) = schema::config::can_write(&config.data_dir) {
        faults.push(format!("DATA_DIR: {dir} cannot be written ({e})"));
    } else if let Err(e) = config.check_secrets() {
        faults.push(format!("DATA_DIR: the secrets in {dir} cannot be used ({e})"));
    }
    if let Err(e) = schema::db::check(config.database.url.reveal()).await {
        faults.push(sentence(&e));
    }
    if let Some(url) = &config.redis_url {
        let reached = match schema::kv::Kv::redis(url.reveal(), &config.redis_prefix).await {
            Ok(kv) => kv.ping().await,
            Err(e) => Err(e),
        };
        if let Err(e) = reached {
            faults.push(sentence(&e));
        }
    }
    if let Err(e) = schema::service::user::check_wish(&config.admin) {
        faults.push(sentence(&e));
    }
    if let Err(e) = std::net::TcpListener::bind(config.listen) {
        faults.push(format!("LISTEN: the address {} cannot be served on ({e})", config.listen));
    }
    faults
}

/// An error for the operator, with what is otherwise only logged.
pub fn sentence(e: &schema::Error) -> String {
    match e.cause() {
        Some(cause) => format!("{e}: {cause}"),
        None => e.to_string(),
    }
}

/// Ends the process because of a fault met after its background work began: what it holds is given back first.
pub async fn give_up(app: &App, e: &schema::Error) -> ! {
    app.shut_down().await;
    fail(&[sentence(e)])
}

/// Listens for the signal to stop, SIGTERM or Ctrl-C, from this moment on; what is answered ends when it came.
pub fn stopped() -> impl Future<Output = ()> {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    async fn heard(signal: std::io::Result<Signal>) {
        match signal {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    }
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        tokio::select! {
            () = heard(terminate) => {}
            () = heard(interrupt) => {}
        }
    }
}

/// A line for the person at the terminal.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// One line per fault, then the end.
pub fn fail(faults: &[String]) -> ! {
    for fault in faults {
        let _ = writeln!(std::io::stderr(), "tollgate: {fault}");
    }
    std::process::exit(1)
}
