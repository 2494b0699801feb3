//! The conversation with a mail server (RFC 5321, with STARTTLS, AUTH PLAIN and AUTH LOGIN).

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Letter, MailError, Security, Server};

/// Longest answer of a server, all its lines together.
const LONGEST: usize = 16 * 1024;

/// Hands a letter over.
pub(super) async fn hand_over(server: &Server, letter: &Letter) -> Result<(), MailError> {
    for address in letter.to.iter().chain([&letter.from]) {
        let plain = !address.is_empty() && address.is_ascii() && address.contains('@');
        if !plain || address.bytes().any(|b| b.is_ascii_control() || b.is_ascii_whitespace() || b"<>,".contains(&b)) {
            return Err(MailError::Misconfigured("an address is none that mail can be sent to"));
        }
    }
    if letter.to.is_empty() {
        return Err(MailError::Misconfigured("nobody is written to"));
    }
    let stream = match server.addresses.as_slice() {
        [] => TcpStream::connect((server.host.as_str(), server.port)).await,
        known => TcpStream::connect(known).await,
    };
    let stream = stream.map_err(|_| MailError::Unreachable("no connection"))?;
    match server.security {
        Security::Tls => {
            let mut talk = Talk::new(encrypt(server, stream).await?);
            talk.greeting().await?;
            talk.deliver(server, letter, true).await
        }
        Security::StartTls => {
            let mut open = Talk::new(stream);
            open.greeting().await?;
            if !open.hello().await?.offers("STARTTLS") {
                return Err(MailError::Misconfigured("the server does not encrypt; choose another port or security"));
            }
            open.ask("STARTTLS", "STARTTLS", &[220]).await?;
            if !open.heard.is_empty() {
                // Said before the encryption began: by somebody on the road, perhaps.
                return Err(MailError::Unreachable("something was said before its turn"));
            }
            Talk::new(encrypt(server, open.stream).await?).deliver(server, letter, true).await
        }
        Security::None => {
            let mut talk = Talk::new(stream);
            talk.greeting().await?;
            talk.deliver(server, letter, false).await
        }
    }
}

async fn encrypt(server: &Server, stream: TcpStream) -> Result<TlsStream<TcpStream>, MailError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in CertificateDer::pem_slice_iter(server.trusted.as_bytes()) {
        let certificate = certificate.map_err(|_| MailError::Misconfigured("the certificate cannot be read"))?;
        roots.add(certificate).map_err(|_| MailError::Misconfigured("the certificate cannot be read"))?;
    }
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(server.host.clone())
        .map_err(|_| MailError::Misconfigured("the host is neither a name nor an address"))?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|_| MailError::Unreachable("no encryption that can be trusted came about"))
}

/// What a server offers, one line each.
struct Offers(Vec<String>);

impl Offers {
    fn offers(&self, word: &str) -> bool {
        self.0.iter().any(|line| line.split(' ').next().is_some_and(|first| first.eq_ignore_ascii_case(word)))
    }
    /// Whether it lets people in this way.
    fn lets_in_by(&self, way: &str) -> bool {
        self.0
            .iter()
            .filter(|line| line.to_ascii_uppercase().starts_with("AUTH"))
            .any(|line| line.split([' ', '=']).skip(1).any(|offered| offered.eq_ignore_ascii_case(way)))
    }
}

/// One conversation.
struct Talk<S> {
    stream: S,
    /// What came and has not been read.
    heard: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    fn new(stream: S) -> Self {
        Self { stream, heard: Vec::new() }
    }

    /// From the greeting on: who we are, who writes to whom, and the letter.
    async fn deliver(&mut self, server: &Server, letter: &Letter, encrypted: bool) -> Result<(), MailError> {
        let offers = self.hello().await?;
        if !server.user.is_empty() {
            if !encrypted && !matches!(server.host.as_str(), "127.0.0.1" | "localhost" | "::1") {
                return Err(MailError::Misconfigured("a password is not sent without encryption"));
            }
            self.sign_in(server, &offers).await?;
        }
        self.ask("MAIL", &format!("MAIL FROM:<{}>", letter.from), &[250]).await?;
        for to in &letter.to {
            self.ask("RCPT", &format!("RCPT TO:<{to}>"), &[250, 251]).await?;
        }
        self.ask("DATA", "DATA", &[354]).await?;
        // No line of a letter begins with a dot, so none has to be doubled.
        self.ask("the letter", &format!("{}.", letter.wire()), &[250]).await?;
        // The letter is theirs now; whether the farewell is heard does not matter.
        let _ = self.stream.write_all(b"QUIT\r\n").await;
        let _ = self.stream.shutdown().await;
        Ok(())
    }

    async fn greeting(&mut self) -> Result<(), MailError> {
        let (code, lines) = self.answer().await?;
        expect("the connection", code, &lines, &[220]).map(|_| ())
    }

    async fn hello(&mut self) -> Result<Offers, MailError> {
        let lines = self.ask("EHLO", "EHLO [127.0.0.1]", &[250]).await?;
        Ok(Offers(lines.into_iter().skip(1).collect()))
    }

    async fn sign_in(&mut self, server: &Server, offers: &Offers) -> Result<(), MailError> {
        let (user, password) = (&server.user, server.password.reveal());
        if offers.lets_in_by("PLAIN") {
            let proof = BASE64_STANDARD.encode(format!("\0{user}\0{password}"));
            self.ask("AUTH", &format!("AUTH PLAIN {proof}"), &[235]).await?;
        } else if offers.lets_in_by("LOGIN") {
            self.ask("AUTH", "AUTH LOGIN", &[334]).await?;
            self.ask("AUTH", &BASE64_STANDARD.encode(user), &[334]).await?;
            self.ask("AUTH", &BASE64_STANDARD.encode(password), &[235]).await?;
        } else {
            return Err(MailError::Misconfigured("the server lets nobody in by name and password"));
        }
        Ok(())
    }

    /// One command and its answer, whose code must be one of these.
    async fn ask(&mut self, step: &'static str, command: &str, codes: &[u16]) -> Result<Vec<String>, MailError> {
        let line = format!("{command}\r\n");
        let said = async {
            self.stream.write_all(line.as_bytes()).await?;
            self.stream.flush().await
        };
        said.await.map_err(|_| MailError::Unreachable("the connection broke"))?;
        let (code, lines) = self.answer().await?;
        expect(step, code, &lines, codes)?;
        Ok(lines)
    }

    /// One answer: its code, and its lines without it.
    async fn answer(&mut self) -> Result<(u16, Vec<String>), MailError> {
        const WRONG: MailError = MailError::Unreachable("it does not speak SMTP");
        let mut lines = Vec::new();
        let mut size = 0;
        loop {
            let line = self.line().await?;
            size += line.len();
            let code = line.get(..3).and_then(|c| c.parse::<u16>().ok()).ok_or(WRONG)?;
            if size > LONGEST {
                return Err(WRONG);
            }
            lines.push(line.get(4..).unwrap_or("").to_owned());
            match line.as_bytes().get(3) {
                Some(b'-') => {}
                None | Some(b' ') => return Ok((code, lines)),
                Some(_) => return Err(WRONG),
            }
        }
    }

    async fn line(&mut self) -> Result<String, MailError> {
        loop {
            if let Some(end) = self.heard.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.heard.len() > LONGEST {
                return Err(MailError::Unreachable("it does not speak SMTP"));
            }
            let mut piece = [0; 1024];
            match self.stream.read(&mut piece).await {
                Ok(0) | Err(_) => return Err(MailError::Unreachable("the connection broke")),
                Ok(n) => self.heard.extend_from_slice(&piece[..n]),
            }
        }
    }
}

fn expect(step: &'static str, code: u16, lines: &[String], codes: &[u16]) -> Result<(), MailError> {
    if codes.contains(&code) {
        return Ok(());
    }
    let words: String = lines.join(" ").chars().filter(|c| !c.is_control()).take(200).collect();
    Err(MailError::Refused { step, code, words })
}
