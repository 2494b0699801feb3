//! Sending mail: every way to a server, and every refusal, against a server that speaks the protocol.

use std::time::Duration;

use harness::fake_mail::{AUTHORITY, FakeMail, Manner, PASSWORD, USER};
use schema::Time;
use schema::mail::{self, Letter, MailError, Security, Server};
use schema::secret::Secret;

fn server(fake: &FakeMail, security: Security) -> Server {
    Server {
        host: "127.0.0.1".to_owned(),
        port: fake.port,
        addresses: Vec::new(),
        security,
        user: USER.to_owned(),
        password: Secret::new(PASSWORD.to_owned()),
        trusted: AUTHORITY.to_owned(),
        patience: Duration::from_secs(20),
    }
}

fn letter() -> Letter {
    Letter {
        from: USER.to_owned(),
        name: "Tollgate".to_owned(),
        to: vec!["ann@example.com".to_owned(), "bob@example.com".to_owned()],
        subject: "重置 password".to_owned(),
        text: "first\n.\nlast 字".to_owned(),
        at: Time(1_772_359_200_000),
    }
}

#[tokio::test]
async fn a_letter_goes_by_every_way_and_arrives_whole() {
    let ways = [
        (Manner::Tls, Security::Tls, Some("LOGIN")),
        (Manner::StartTls, Security::StartTls, Some("PLAIN")),
        (Manner::OpenWithNames, Security::None, Some("PLAIN")),
        (Manner::Open, Security::None, None),
    ];
    for (manner, security, by) in ways {
        let fake = FakeMail::start(manner).await;
        let mut server = server(&fake, security);
        if by.is_none() {
            server.user.clear();
        }
        mail::send(&server, &letter()).await.unwrap_or_else(|e| panic!("{manner:?}: {e}"));
        let taken = fake.letters().pop().expect("a letter");
        assert_eq!((taken.by.as_deref(), taken.encrypted), (by, security != Security::None), "{manner:?}");
        assert_eq!((taken.from.as_str(), taken.to.as_slice()), (USER, letter().to.as_slice()));
        assert_eq!(taken.text, "first\r\n.\r\nlast 字");
        for line in ["Date: Sun, 01 Mar 2026 10:00:00 +0000", "To: ann@example.com,", "MIME-Version: 1.0"] {
            assert!(taken.head.contains(line), "{line}: {}", taken.head);
        }
    }
}

#[tokio::test]
async fn what_cannot_be_trusted_or_done_is_said() {
    let starttls = FakeMail::start(Manner::StartTls).await;
    let good = server(&starttls, Security::StartTls);

    let stranger = Server { trusted: String::new(), ..good.clone() };
    assert!(matches!(mail::send(&stranger, &letter()).await, Err(MailError::Unreachable(_))), "nobody vouches for it");
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----".to_owned();
    let nonsense = Server { trusted: nonsense, ..good.clone() };
    assert!(matches!(mail::send(&nonsense, &letter()).await, Err(MailError::Misconfigured(_))));
    let guess = Server { password: Secret::new("guess".to_owned()), ..good.clone() };
    let refused = mail::send(&guess, &letter()).await.expect_err("a wrong password");
    assert!(matches!(refused, MailError::Refused { step: "AUTH", code: 535, .. }) && !refused.may_pass());
    assert!(!format!("{refused} {guess:?}").contains("guess"), "{refused}");
    assert!(matches!(
        mail::send(&Server { user: String::new(), ..good.clone() }, &letter()).await,
        Err(MailError::Refused { step: "MAIL", code: 530, .. })
    ));

    // A way that should be encrypted and cannot be is not taken.
    let open = FakeMail::start(Manner::Open).await;
    let downgraded = mail::send(&server(&open, Security::StartTls), &letter()).await;
    assert!(matches!(downgraded, Err(MailError::Misconfigured(_))), "{downgraded:?}");
    let nobody_asks = mail::send(&server(&open, Security::None), &letter()).await;
    assert!(matches!(nobody_asks, Err(MailError::Misconfigured(_))), "{nobody_asks:?}");
    let injected = FakeMail::start(Manner::Injected).await;
    let early = mail::send(&server(&injected, Security::StartTls), &letter()).await;
    assert!(matches!(early, Err(MailError::Unreachable(_))), "{early:?}");

    let nobody = FakeMail::start(Manner::KnowsNobody).await;
    let unknown = mail::send(&Server { user: String::new(), ..server(&nobody, Security::None) }, &letter()).await;
    assert!(matches!(unknown, Err(MailError::Refused { step: "RCPT", code: 550, .. })), "{unknown:?}");
    let rubbish = FakeMail::start(Manner::Rubbish).await;
    let strange = mail::send(&server(&rubbish, Security::None), &letter()).await.expect_err("no SMTP");
    assert!(matches!(strange, MailError::Unreachable(_)) && strange.may_pass());
    for fake in [&starttls, &open, &injected, &nobody, &rubbish] {
        assert_eq!(fake.letters(), Vec::new());
    }
}

#[tokio::test]
async fn addresses_that_would_be_commands_are_not_sent() {
    let fake = FakeMail::start(Manner::Open).await;
    let server = Server { user: String::new(), ..server(&fake, Security::None) };
    for bad in ["", "ann", "a@b>\r\nRCPT TO:<c@d", "a b@c.d", "a@b,c@d", "安@example.com"] {
        let refused = mail::send(&server, &Letter { to: vec![bad.to_owned()], ..letter() }).await;
        assert!(matches!(refused, Err(MailError::Misconfigured(_))), "{bad}: {refused:?}");
    }
    assert!(mail::send(&server, &Letter { to: Vec::new(), ..letter() }).await.is_err());
    assert_eq!(fake.letters(), Vec::new());
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = Server {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().expect("an address").port(),
        addresses: Vec::new(),
        security: Security::None,
        user: String::new(),
        password: Secret::default(),
        trusted: String::new(),
        patience: Duration::from_millis(50),
    };
    assert_eq!(mail::send(&server, &letter()).await, Err(MailError::Unreachable("it took too long")));
}
