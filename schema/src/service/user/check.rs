//! What a name, an address and a password may be.

use crate::error::{Error, Result};

/// A name: 1 to 64 characters, none of them blank, control or markup.
pub fn check_name(name: &str) -> Result<String> {
    let name = name.trim();
    let length = name.chars().count();
    if !(1..=64).contains(&length) {
        return Err(Error::invalid("username", "a username has 1 to 64 characters"));
    }
    if name.chars().any(|c| c.is_control() || c.is_whitespace() || "<>\"'`&#\\/|".contains(c)) {
        return Err(Error::invalid("username", "a username has no blanks, quotes or slashes"));
    }
    Ok(name.to_owned())
}

/// An address: something, one `@`, a domain; at most 254 characters.
pub fn check_email(email: &str) -> Result<String> {
    let email = email.trim();
    let bad = || Error::invalid("email", "this is no e-mail address");
    let (local, domain) = email.rsplit_once('@').ok_or_else(bad)?;
    let plain = |s: &str| {
        !s.is_empty() && !s.chars().any(|c| c.is_control() || c.is_whitespace() || "<>\"(),:;@[\\]".contains(c))
    };
    if email.len() > 254
        || local.len() > 64
        || !plain(local)
        || !plain(domain)
        || domain.starts_with('.')
        || domain.ends_with('.')
    {
        return Err(bad());
    }
    Ok(email.to_owned())
}

/// A password: 8 to 128 characters.
pub fn check_password(password: &str) -> Result<()> {
    let length = password.chars().count();
    if !(8..=128).contains(&length) || password.contains('\0') {
        return Err(Error::invalid("password", "a password has 8 to 128 characters"));
    }
    Ok(())
}

/// Free text up to so many characters.
pub fn text(field: &str, value: &str, most: usize) -> Result<()> {
    if value.chars().count() > most {
        return Err(Error::invalid(field, format!("at most {most} characters")));
    }
    if value.contains('\0') {
        return Err(Error::invalid(field, "may not hold a NUL character"));
    }
    Ok(())
}

/// One word: letters, digits and `-_.`, such as the name of a group.
pub fn word(field: &str, value: &str, most: usize) -> Result<()> {
    let fits = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
    if value.is_empty() || value.chars().count() > most || !value.chars().all(fits) {
        return Err(Error::invalid(field, format!("must have 1 to {most} letters, digits, - or _")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_passwords_are_checked() {
        assert_eq!(check_name(" 张三 ").expect("a name"), "张三");
        for bad in ["", "a b", "<x>", "a\u{0}b", &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        assert!(check_email("ann@example.com").is_ok());
        for bad in ["", "ann", "@x", "a@", "a b@c.d", "a@b@c", "a@.com"] {
            assert!(check_email(bad).is_err(), "{bad:?}");
        }
        assert!(check_password("12345678").is_ok());
        assert!(check_password("1234567").is_err());
        assert!(word("group", "vip-1", 64).is_ok());
        assert!(word("group", "a,b", 64).is_err());
    }
}
