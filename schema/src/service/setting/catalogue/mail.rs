//! The server that takes mail.

use super::super::{Definition, Kind};
use super::{names, row, secret};

pub(super) const ROWS: &[Definition] = &[
    row("mail", names::SMTP_HOST, Kind::Text(253), "", "Name of the server that takes mail; empty: none is sent"),
    row("mail", names::SMTP_PORT, Kind::Int(1, 65_535), "587", "Port of that server"),
    row(
        "mail",
        names::SMTP_SECURITY,
        Kind::Choice(&["tls", "starttls", "none"]),
        "starttls",
        "Encryption: from the first byte, begun in the open, or none",
    ),
    row("mail", names::SMTP_USER, Kind::Text(320), "", "Name to sign in by; empty: the server asks for none"),
    secret("mail", names::SMTP_PASSWORD, Kind::Text(500), "Password to sign in by"),
    row("mail", names::SMTP_FROM, Kind::Text(320), "", "Address mail is sent from; empty: the name signed in by"),
    row(
        "mail",
        names::SMTP_CERTIFICATES,
        Kind::Text(64_000),
        "",
        "Certificates (PEM) the mail server is believed by, further to the system's",
    ),
];
