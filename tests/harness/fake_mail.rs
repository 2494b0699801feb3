//! A local mail server that speaks SMTP: in the open, encrypted at once, or by STARTTLS; it lets in by name and
//! password and keeps the letters it takes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The authority the server's certificate is from.
pub const AUTHORITY: &str = include_str!("keys/smtp_ca.TEST.crt");
const CERTIFICATE: &str = include_str!("keys/smtp.TEST.crt");
const KEY: &str = include_str!("keys/smtp.TEST.pem");

pub const USER: &str = "robot@example.com";
pub const PASSWORD: &str = "a mail password";

/// How the server behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// In the open, and asks for no name.
    #[default]
    Open,
    /// In the open until STARTTLS; lets in by AUTH PLAIN.
    StartTls,
    /// Encrypted at once; lets in by AUTH LOGIN.
    Tls,
    /// In the open, and asks for a name although it cannot encrypt.
    OpenWithNames,
    /// Answers STARTTLS with more than was asked, as somebody on the road would.
    Injected,
    /// Knows nobody.
    KnowsNobody,
    /// Speaks something else.
    Rubbish,
}

/// A letter it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub from: String,
    pub to: Vec<String>,
    pub head: String,
    pub text: String,
    pub encrypted: bool,
    pub by: Option<String>,
}

/// The server.
pub struct FakeMail {
    pub port: u16,
    taken: Arc<Mutex<Vec<Taken>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for FakeMail {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl FakeMail {
    pub async fn start(manner: Manner) -> Self {
        schema::app::install_crypto();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let taken = Arc::<Mutex<Vec<Taken>>>::default();
        let kept = taken.clone();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = kept.clone();
                tokio::spawn(async move {
                    // A client that leaves in the middle is no fault of the server's.
                    let _ = serve(stream, manner, kept).await;
                });
            }
        });
        Self { port, taken, server }
    }

    /// The letters so far.
    pub fn letters(&self) -> Vec<Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The letters, once there are so many.
    pub async fn wait_for(&self, count: usize) -> Vec<Taken> {
        for _ in 0..1_000 {
            let letters = self.letters();
            if letters.len() >= count {
                return letters;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{count} letters did not come: {:?}", self.letters());
    }
}

fn acceptor() -> TlsAcceptor {
    let chain = CertificateDer::pem_slice_iter(CERTIFICATE.as_bytes()).collect::<Result<Vec<_>, _>>();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("a key");
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    TlsAcceptor::from(Arc::new(config.with_single_cert(chain.expect("a certificate"), key).expect("they fit")))
}

async fn serve(stream: TcpStream, manner: Manner, kept: Arc<Mutex<Vec<Taken>>>) -> std::io::Result<()> {
    let mut visit = Visit { manner, kept, encrypted: false, by: None };
    if manner == Manner::Tls {
        visit.encrypted = true;
        let stream = acceptor().accept(stream).await?;
        visit.talk(BufReader::new(stream), true).await?;
        return Ok(());
    }
    if let Some(plain) = visit.talk(BufReader::new(stream), true).await? {
        visit.encrypted = true;
        let stream = acceptor().accept(plain.into_inner()).await?;
        visit.talk(BufReader::new(stream), false).await?;
    }
    Ok(())
}

struct Visit {
    manner: Manner,
    kept: Arc<Mutex<Vec<Taken>>>,
    encrypted: bool,
    by: Option<String>,
}

impl Visit {
    /// Talks until the client leaves; answers the stream when the client wants it encrypted.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        mut stream: BufReader<S>,
        greets: bool,
    ) -> std::io::Result<Option<BufReader<S>>> {
        if self.manner == Manner::Rubbish {
            say(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await?;
            return Ok(None);
        }
        if greets {
            say(&mut stream, b"220-mail.example\r\n220 ready\r\n").await?;
        }
        let (mut from, mut to) = (String::new(), Vec::new());
        loop {
            let Some(line) = line(&mut stream).await? else { return Ok(None) };
            let upper = line.to_ascii_uppercase();
            let answer: &str = if upper.starts_with("EHLO ") {
                match (self.manner, self.encrypted) {
                    (Manner::StartTls | Manner::Injected, false) => "250-mail.example\r\n250-SIZE 1000\r\n250 STARTTLS",
                    (Manner::StartTls | Manner::OpenWithNames, _) => "250-mail.example\r\n250 AUTH PLAIN LOGIN",
                    (Manner::Tls, _) => "250-mail.example\r\n250 AUTH LOGIN",
                    _ => "250 mail.example",
                }
            } else if upper == "STARTTLS" {
                if self.manner == Manner::Injected {
                    say(&mut stream, b"220 go on\r\n250 forged\r\n").await?;
                    return Ok(None);
                }
                say(&mut stream, b"220 go on\r\n").await?;
                return Ok(Some(stream));
            } else if let Some(proof) = line.strip_prefix("AUTH PLAIN ") {
                let wanted = format!("\0{USER}\0{PASSWORD}");
                if BASE64_STANDARD.decode(proof).is_ok_and(|p| p == wanted.as_bytes()) {
                    self.by = Some("PLAIN".to_owned());
                    "235 welcome"
                } else {
                    "535 no such name and password"
                }
            } else if upper == "AUTH LOGIN" {
                say(&mut stream, b"334 VXNlcm5hbWU6\r\n").await?;
                let name = line_of(&mut stream).await?;
                say(&mut stream, b"334 UGFzc3dvcmQ6\r\n").await?;
                let password = line_of(&mut stream).await?;
                if name == BASE64_STANDARD.encode(USER) && password == BASE64_STANDARD.encode(PASSWORD) {
                    self.by = Some("LOGIN".to_owned());
                    "235 welcome"
                } else {
                    "535 no such name and password"
                }
            } else if upper.starts_with("MAIL FROM:") {
                let needs_name = matches!(self.manner, Manner::StartTls | Manner::Tls | Manner::OpenWithNames);
                if needs_name && self.by.is_none() {
                    "530 who are you"
                } else {
                    from = between(&line);
                    "250 ok"
                }
            } else if upper.starts_with("RCPT TO:") {
                if self.manner == Manner::KnowsNobody {
                    "550 no such user here"
                } else {
                    to.push(between(&line));
                    "250 ok"
                }
            } else if upper == "DATA" {
                say(&mut stream, b"354 go on\r\n").await?;
                let mut letter = String::new();
                loop {
                    let line = line_of(&mut stream).await?;
                    if line == "." {
                        break;
                    }
                    letter.push_str(&line);
                    letter.push('\n');
                }
                self.keep(std::mem::take(&mut from), std::mem::take(&mut to), &letter);
                "250 taken"
            } else if upper == "QUIT" {
                say(&mut stream, b"221 bye\r\n").await?;
                return Ok(None);
            } else {
                "500 what"
            };
            say(&mut stream, format!("{answer}\r\n").as_bytes()).await?;
        }
    }

    fn keep(&self, from: String, to: Vec<String>, letter: &str) {
        let (head, body) = letter.split_once("\n\n").unwrap_or((letter, ""));
        let text = BASE64_STANDARD.decode(body.replace('\n', "")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let letter = Taken { from, to, head: head.to_owned(), text, encrypted: self.encrypted, by: self.by.clone() };
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(letter);
    }
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, words: &[u8]) -> std::io::Result<()> {
    stream.write_all(words).await?;
    stream.flush().await
}

fn between(line: &str) -> String {
    line.split(['<', '>']).nth(1).unwrap_or("").to_owned()
}

async fn line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await?;
    Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}

async fn line_of<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<String> {
    line(stream).await?.ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}
