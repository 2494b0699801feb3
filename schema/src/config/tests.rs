//! Defaults, and what is said of values that do not fit.

use super::*;

fn faults(values: &[(&str, &str)]) -> Vec<String> {
    Config::read(&Env::of(values), "127.0.0.1:1").map(|_| Vec::new()).unwrap_or_else(|faults| faults)
}

#[test]
fn defaults_run() {
    let config = Config::read(&Env::of(&[]), "127.0.0.1:18080").expect("defaults");
    assert!(config.embedded());
    assert_eq!(config.public_url(), "http://127.0.0.1:18080");
    assert_eq!((config.database.connections, config.stop_seconds), (16, 30));
    let config = Config::read(&Env::of(&[("LISTEN", "localhost:80"), ("ROLES", "relay,")]), "").expect("sound");
    assert_eq!(config.listen.to_string(), "127.0.0.1:80");
    assert_eq!(config.roles, Roles { management: false, relay: true });
}

#[test]
fn every_fault_is_one_sentence_that_names_its_variable() {
    for (name, value) in [
        ("LISTEN", "here"),
        ("LISTEN", ":80"),
        ("LISTEN", "127.0.0.1:99999"),
        ("JWT_SECRET", "short"),
        ("ENCRYPTION_KEY", "zz"),
        ("ROLES", "cook"),
        ("ROLES", ","),
        ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite://x?mode=ro"),
        ("DATABASE_CONNECTIONS", "0"),
        ("DATABASE_CONNECTIONS", "many"),
        ("REDIS_URL", "http://x"),
        ("PUBLIC_URL", "gate.example.com"),
        ("PUBLIC_URL", "https://"),
        ("PUBLIC_URL", "https://x?y=z"),
        ("RELAY_URL", "relay:18081"),
        ("LOG_FORMAT", "xml"),
        ("TRUSTED_PROXIES", "127.0.0.1,proxy"),
        ("CONSOLE_DIR", "/no/such/folder"),
        ("TRUSTED_DOCUMENTS", "/no/such/manifest.json"),
        ("TRUSTED_DOCUMENTS_ONLY", "perhaps"),
        ("TRUSTED_DOCUMENTS_ONLY", "true"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
        ("STOP_SECONDS", "-1"),
        ("STOP_SECONDS", "99999999999999999999"),
    ] {
        let found = faults(&[(name, value)]);
        assert_eq!(found.len(), 1, "{name}={value}: {found:?}");
        assert!(found[0].contains(name) && !found[0].contains("::"), "{found:?}");
    }
    let found = faults(&[("DATABASE_URL", "postgres://x/y"), ("LISTEN", "here")]);
    assert_eq!(found.len(), 3, "all at once: {found:?}");
    let secret = "postgres://ann:hunter2@h:port/db";
    let found = faults(&[("DATABASE_URL", secret), ("JWT_SECRET", "hunter2"), ("ENCRYPTION_KEY", "hunter2")]);
    assert!(found.len() >= 3 && !found.join(" ").contains("hunter2"), "{found:?}");
}
