//! Fetching the pictures and files that a prompt names by URL, for vendors that cannot fetch themselves.
//!
//! The URLs come from callers, so nothing inside this network may be reached through them: every address is
//! judged by the guard, and every redirect anew.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::StreamExt;
use http::header;
use reqwest::Url;

use crate::convert::hub::Source;
use crate::convert::{Fault, fault};
use crate::upstream::guard::Guard;

/// Longest time for one file, redirects included.
const TIME: Duration = Duration::from_secs(15);
/// Largest file.
const SIZE: usize = 20 << 20;
/// Most files of one request.
const FILES: usize = 32;
/// Most redirects of one file.
const HOPS: usize = 3;

/// Fetches within the guard.
#[derive(Clone, Debug, Default)]
pub struct Fetcher {
    guard: Guard,
}

impl Fetcher {
    /// A fetcher that excepts the hosts of a comma-separated list.
    pub fn new(allowed: &str) -> Self {
        Self { guard: Guard::new(allowed) }
    }

    /// What keeps it out of this network.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Puts the content in the place of every URL.
    pub async fn fill(&self, sources: Vec<&mut Source>) -> Result<(), Fault> {
        if sources.len() > FILES {
            return Err(refuse(format!("at most {FILES} files can be fetched for one request")));
        }
        for source in sources {
            if let Source::Url(url) = source {
                *source = self.fetch(url).await?;
            }
        }
        Ok(())
    }

    async fn fetch(&self, url: &str) -> Result<Source, Fault> {
        let shown: String = url.chars().take(200).collect();
        match tokio::time::timeout(TIME, self.follow(url)).await {
            Ok(Ok(source)) => Ok(source),
            Ok(Err(why)) => Err(refuse(format!("{shown} cannot be fetched: {why}"))),
            Err(_) => Err(refuse(format!("{shown} cannot be fetched: it took too long"))),
        }
    }

    async fn follow(&self, url: &str) -> Result<Source, &'static str> {
        let mut url = Url::parse(url).map_err(|_| "it is no address")?;
        for _ in 0..=HOPS {
            let answer = self.get(&url).await?;
            if answer.status().is_redirection() {
                let to =
                    answer.headers().get(header::LOCATION).and_then(|to| to.to_str().ok()).ok_or("it leads nowhere")?;
                url = url.join(to).map_err(|_| "it leads nowhere")?;
                continue;
            }
            if !answer.status().is_success() {
                return Err("its server refused");
            }
            return read(answer).await;
        }
        Err("it leads on and on")
    }

    async fn get(&self, url: &Url) -> Result<reqwest::Response, &'static str> {
        let client = self.guard.client(url).await?;
        client.get(url.clone()).send().await.map_err(|_| "its host cannot be reached")
    }
}

async fn read(answer: reqwest::Response) -> Result<Source, &'static str> {
    let media = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let fits = ["image/", "audio/", "video/", "text/"].iter().any(|start| media.starts_with(start))
        || media == "application/pdf";
    if !fits {
        return Err("it is no picture, recording, film or document");
    }
    let mut body = answer.bytes_stream();
    let mut all = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_| "it broke off")?;
        if all.len() + piece.len() > SIZE {
            return Err("it is too large");
        }
        all.extend_from_slice(&piece);
    }
    Ok(Source::Base64 { media, data: BASE64_STANDARD.encode(all) })
}

fn refuse(why: String) -> Fault {
    Fault::new(fault::Kind::InvalidRequest, format!("Invalid file: {why}.")).with_code("invalid_file_url")
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A server that gives each connection the next of these answers.
    async fn server(answers: Vec<String>) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut head = [0; 2048];
                let _read = socket.read(&mut head).await.unwrap();
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        address
    }

    async fn tried(fetcher: &Fetcher, url: String) -> Result<Source, String> {
        schema::app::install_crypto();
        let mut source = Source::Url(url);
        fetcher.fill(vec![&mut source]).await.map_err(|fault| fault.message)?;
        Ok(source)
    }

    #[tokio::test]
    async fn files_are_fetched_from_where_it_is_allowed() {
        let picture =
            "HTTP/1.1 200 OK\r\ncontent-type: image/png; x=y\r\ncontent-length: 3\r\nconnection: close\r\n\r\nPNG";
        let away = "HTTP/1.1 302 Found\r\nlocation: /there\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let address = server(vec![away.into(), picture.into()]).await;
        let fetcher = Fetcher::new(&format!("example.com, {address}"));
        let source = tried(&fetcher, format!("http://{address}/a.png")).await.unwrap();
        assert_eq!(source, Source::Base64 { media: "image/png".into(), data: "UE5H".into() });
    }

    #[tokio::test]
    async fn nothing_inside_is_reached() {
        let secret = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx";
        let address = server(vec![secret.into()]).await;
        for url in [
            format!("http://{address}/"),
            format!("http://localhost:{}/", address.port()),
            format!("http://[::ffff:127.0.0.1]:{}/", address.port()),
            format!("http://2130706433:{}/", address.port()),
            "http://169.254.169.254/latest/meta-data/".into(),
        ] {
            let why = tried(&Fetcher::default(), url.clone()).await.unwrap_err();
            assert!(why.contains("not on the public network"), "{url}: {why}");
        }
        for url in ["file:///etc/passwd", "gopher://x/", "http://user:pw@8.8.8.8/", "nonsense"] {
            assert!(tried(&Fetcher::default(), url.into()).await.is_err(), "{url}");
        }
    }

    #[tokio::test]
    async fn a_redirect_inwards_is_refused() {
        let inside = server(vec![]).await;
        let to = format!(
            "HTTP/1.1 302 Found\r\nlocation: http://localhost:{}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            inside.port()
        );
        let outside = server(vec![to]).await;
        let fetcher = Fetcher::new(&outside.to_string());
        let why = tried(&fetcher, format!("http://{outside}/")).await.unwrap_err();
        assert!(why.contains("not on the public network"), "{why}");
        let html = server(vec![
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
                .into(),
        ])
        .await;
        assert!(tried(&Fetcher::new(&html.to_string()), format!("http://{html}/")).await.is_err());
    }
}
