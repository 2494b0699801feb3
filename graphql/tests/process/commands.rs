//! `--help`, `check`, `migrate`, `check-ledger`, and what is said of values that do not fit.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;

use schema::config::VARIABLES;

use crate::product::{Folder, command, run, said};

#[test]
fn help_lists_every_command_and_variable() {
    let folder = Folder::new();
    for word in ["--help", "-h", "help"] {
        let output = run(&folder.0, &[word], &[]);
        let text = said(&output);
        assert!(output.status.success(), "{text}");
        for command in ["serve", "check", "migrate", "check-ledger"] {
            assert!(text.contains(&format!("\n{command} ")), "{command} in {text}");
        }
        for (name, default, meaning) in VARIABLES {
            assert!(text.contains(&format!("\n  {name}\n      {meaning}\n      default: {default}\n")), "{name}");
        }
    }
    assert!(said(&run(&folder.0, &["--version"], &[])).starts_with("tollgate "));
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn what_is_no_command_is_refused() {
    let folder = Folder::new();
    for arguments in [&["fly"][..], &["check", "twice"], &["--verbose"]] {
        let output = run(&folder.0, arguments, &[]);
        assert_eq!(output.status.code(), Some(1));
        let text = said(&output);
        assert!(text.lines().count() == 1 && text.contains(arguments[arguments.len() - 1]), "{text}");
    }
}

#[test]
fn a_check_of_something_sound_makes_nothing() {
    let folder = Folder::new();
    let output = run(&folder.0, &["check"], &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("sound"));
    assert_eq!(folder.names(), [""; 0]);
    // Nor does it mind what a start has made.
    assert!(run(&folder.0, &["migrate"], &[]).status.success());
    let output = run(&folder.0, &["check"], &[]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn a_check_says_one_sentence_a_fault_which_names_its_variable() {
    let folder = Folder::new();
    let file = folder.0.join("file");
    std::fs::write(&file, "no database, but long enough to be taken for one".repeat(20)).unwrap();
    std::fs::create_dir(folder.0.join("damaged")).unwrap();
    std::fs::write(folder.0.join("damaged/encryption-key"), "cut sho").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (secret, key) = ("s".repeat(32), "ab".repeat(32));
    for (variables, name) in [
        (&[("DATABASE_URL", "sqlite://file")][..], "DATABASE_URL"),
        (&[("DATABASE_URL", "sqlite://file/below/x.db")], "DATABASE_URL"),
        (&[("DATABASE_URL", "sqlite://damaged")], "DATABASE_URL"),
        (&[("DATA_DIR", "file")], "DATA_DIR"),
        (&[("DATA_DIR", "damaged")], "DATA_DIR"),
        (&[("ADMIN_PASSWORD", "short")], "ADMIN_PASSWORD"),
        (&[("ADMIN_USERNAME", "a b")], "ADMIN_USERNAME"),
        (&[("REDIS_URL", "redis://127.0.0.1:1")], "REDIS_URL"),
        (&[("LISTEN", &taken)], "LISTEN"),
        (&[("LOG", "info,relay=loud")], "LOG"),
        (
            &[("DATABASE_URL", "postgres://127.0.0.1:1/x"), ("JWT_SECRET", &secret), ("ENCRYPTION_KEY", &key)],
            "DATABASE_URL",
        ),
    ] {
        // The SQLite file lies in the data folder unless that is what is tried.
        let output = run(&folder.0, &["check"], variables);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{variables:?}: {text}");
        assert!(text.lines().any(|line| line.contains(name)), "{variables:?}: {text}");
        assert!(text.lines().count() <= 2, "{variables:?}: {text}");
        assert!(!text.contains("panicked") && !text.contains("::") && !text.contains("bb8"), "{text}");
    }
    assert_eq!(folder.names().len(), 2, "{:?}", folder.names());
}

#[test]
fn variables_that_are_no_text_are_named_and_those_of_others_left_alone() {
    let folder = Folder::new();
    let bytes = OsStr::from_bytes(b"\xff\xfe");
    let output = command(&folder.0, &["check"], &[]).env("SOMEBODY_ELSES", bytes).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let output = command(&folder.0, &["check"], &[]).env("ADMIN_PASSWORD", bytes).output().unwrap();
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(1), "tollgate: ADMIN_PASSWORD is not UTF-8\n"));
}

#[test]
fn a_file_of_variables_is_read_and_the_environment_goes_before_it() {
    let folder = Folder::new();
    std::fs::write(folder.0.join(".env"), "# mine\nexport DATA_DIR='here' # said\nROLES=cook\n").unwrap();
    let output = run(&folder.0, &["check"], &[]);
    assert!(said(&output).contains("ROLES knows graphql and relay, not \"cook\""), "{}", said(&output));
    assert!(run(&folder.0, &["migrate"], &[("ROLES", "relay")]).status.success());
    assert!(folder.0.join("here/tollgate.db").is_file());
    std::fs::write(folder.0.join(".env"), "ROLES=relay\nhunter2\n").unwrap();
    let output = run(&folder.0, &["check"], &[]);
    assert_eq!(said(&output), "tollgate: line 2 of the file .env is no NAME=value\n");
}

#[test]
fn migrations_are_applied_once_and_the_ledger_is_proved() {
    let folder = Folder::new();
    let first = said(&run(&folder.0, &["migrate"], &[]));
    assert!(first.contains("the database is up to date") && !first.starts_with("0 "), "{first}");
    assert!(said(&run(&folder.0, &["migrate"], &[])).starts_with("0 migrations applied"));
    let output = run(&folder.0, &["check-ledger"], &[]);
    assert!(output.status.success() && said(&output).contains("every balance is the sum"), "{}", said(&output));
    // A file that is no database is told at once, in its own words.
    std::fs::write(folder.0.join("other"), "x".repeat(8_192)).unwrap();
    for command in ["migrate", "check-ledger", "serve"] {
        let output = run(&folder.0, &[command], &[("DATABASE_URL", "sqlite://other")]);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains("not a database"), "{command}: {}", said(&output));
    }
}
