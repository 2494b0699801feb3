//! The first start, starts at the same time, and starts after whatever end.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::product::{Folder, PASSWORD, Product};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_first_start_tells_a_password_that_opens_and_keeps_everything_private() {
    let folder = Folder::new();
    let mut product = Product::start(&folder.0, &[]);
    let password = product.greeting.lines().find_map(|line| line.strip_prefix("password: "));
    let password = password.and_then(|line| line.split(' ').next()).expect("a password").to_owned();
    product.sign_in("admin", &password);
    assert_eq!(product.ask("{ viewer { role } }", json!({}))["viewer"]["role"], "SUPER_ADMIN");
    let data = folder.0.join("data");
    assert_eq!(mode(&data), 0o700);
    for name in ["tollgate.db", "jwt-secret", "encryption-key", "admin-password"] {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
    assert_eq!(std::fs::read_to_string(data.join("admin-password")).unwrap().trim(), password);
    product.signal("TERM");
    assert!(product.ended().success());
    // The second start makes nobody, and what was made holds.
    let mut again = Product::start(&folder.0, &[]);
    assert!(!again.greeting.contains("password"), "{}", again.greeting);
    again.sign_in("admin", &password);
}

#[test]
fn a_password_nobody_can_have_is_refused_by_its_variable() {
    let folder = Folder::new();
    let Err((status, said)) = Product::try_start(&folder.0, &[("ADMIN_PASSWORD", "short")]) else {
        panic!("it serves");
    };
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("tollgate: ADMIN_PASSWORD: a password has 8 to 128 characters\n"), "{said}");
    assert!(!said.contains("serving"), "{said}");
    // Nothing is left behind that would be in the way of the next start.
    Product::start(&folder.0, &[("ADMIN_PASSWORD", PASSWORD)]).sign_in("admin", PASSWORD);
}

#[test]
fn of_ten_that_start_on_one_file_one_serves_and_the_others_say_why_not() {
    let folder = Folder::new();
    let variables = [("ADMIN_PASSWORD", PASSWORD)];
    let started: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..10).map(|_| scope.spawn(|| Product::try_start(&folder.0, &variables))).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    let (serving, refused): (Vec<_>, Vec<_>) = started.into_iter().partition(Result::is_ok);
    assert_eq!((serving.len(), refused.len()), (1, 9));
    for (status, said) in refused.into_iter().filter_map(Result::err) {
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("another process uses this database") && !said.contains("serving"), "{said}");
    }
    // The one that serves holds the secrets that were kept.
    let mut product = serving.into_iter().next().and_then(Result::ok).unwrap();
    product.sign_in("admin", PASSWORD);
    product.signal("KILL");
    assert!(!product.ended().success());
    // A process that died holds nothing.
    Product::start(&folder.0, &variables).sign_in("admin", PASSWORD);
}
