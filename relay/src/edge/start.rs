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
    let mut args = std::env::args().skip(1);
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
    match Config::read(&Env::load(), default_listen) {
        Ok(config) => (command, config),
        Err(faults) => fail(&faults),
    }
}

fn help(binary: &str) -> String {
    let mut text = format!(
        "Usage: {binary} [serve | check | migrate | check-ledger | --help | --version]\n\n\
         serve         serve (also without a command)\n\
         check         validate the configuration and reach everything it names\n\
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
        Command::Migrate => match App::connect(config).await {
            Ok(_) => {
                say("the database is up to date");
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

/// One sentence per thing that is wrong; nothing is changed.
async fn check(config: Config) -> Vec<String> {
    let mut faults = Vec::new();
    // Opening a SQLite file would make it, so only its folder is looked at.
    if config.embedded() {
        let dir = &config.data_dir;
        let probe = dir.join(".check");
        let made = std::fs::create_dir_all(dir)
            .and_then(|()| std::fs::write(&probe, b""))
            .and_then(|()| std::fs::remove_file(&probe));
        if let Err(e) = made {
            faults.push(format!("DATA_DIR: {} cannot be written ({e})", dir.display()));
        }
    } else {
        schema::app::install_crypto();
        let size = schema::db::PoolSize(1);
        match schema::db::Db::connect(config.database.url.reveal(), size).await {
            Ok(db) => {
                if let Err(e) = db.ping().await {
                    faults.push(format!("DATABASE_URL: {}", sentence(&e)));
                }
            }
            Err(e) => faults.push(format!("DATABASE_URL: {}", sentence(&e))),
        }
    }
    if let Some(url) = &config.redis_url {
        match schema::kv::Kv::redis(url.reveal(), &config.redis_prefix).await {
            Ok(kv) => {
                if let Err(e) = kv.ping().await {
                    faults.push(format!("REDIS_URL: {}", sentence(&e)));
                }
            }
            Err(e) => faults.push(format!("REDIS_URL: {}", sentence(&e))),
        }
    }
    if let Err(e) = std::net::TcpListener::bind(config.listen) {
        faults.push(format!("LISTEN: the address {} cannot be served on ({e})", config.listen));
    }
    faults
}

fn sentence(e: &schema::Error) -> String {
    match e.cause() {
        Some(cause) => format!("{e}: {cause}"),
        None => e.to_string(),
    }
}

/// Waits for the signal to stop: SIGTERM or Ctrl-C.
pub async fn stopped() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
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
