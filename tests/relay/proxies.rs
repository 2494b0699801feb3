//! Accounts behind proxies: HTTP and SOCKS5, with credentials, whole and streamed, and one that is not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::fake_upstream::{FakeUpstream, Vendor};
use schema::model::account::AccountKind;
use schema::service::account::{Proxy, ProxyKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{World, chat, said};

const NAME: &str = "ann@proxy";
const PASSWORD: &str = "pass:word/%";

/// A proxy that lets in who knows the password, and counts them.
async fn start(kind: ProxyKind) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let served = Arc::new(AtomicUsize::new(0));
    let count = served.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let count = count.clone();
            tokio::spawn(async move {
                let through = match kind {
                    ProxyKind::Socks5 => socks(client, &count).await,
                    _ => http(client, &count).await,
                };
                drop(through);
            });
        }
    });
    (port, served)
}

/// Forwards one request that names its target in full, without what was meant for the proxy.
async fn http(mut client: TcpStream, count: &AtomicUsize) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let wanted = format!("Basic {}", STANDARD.encode(format!("{NAME}:{PASSWORD}")));
    let is_let_in = text.lines().any(|line| {
        line.split_once(": ")
            .is_some_and(|(name, value)| name.eq_ignore_ascii_case("proxy-authorization") && value == wanted)
    });
    if !is_let_in {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n").await;
    }
    count.fetch_add(1, Ordering::SeqCst);
    let target = text.split_whitespace().nth(1).unwrap_or_default();
    let host = target.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let mut vendor = TcpStream::connect(host).await?;
    let kept: String =
        text.split_inclusive("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("proxy-")).collect();
    vendor.write_all(kept.as_bytes()).await?;
    copy_bidirectional(&mut client, &mut vendor).await.map(drop)
}

/// RFC 1928 and 1929, as far as one connection needs them.
async fn socks(mut client: TcpStream, count: &AtomicUsize) -> std::io::Result<()> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    client.read_u8().await?;
    let methods = client.read_u8().await?;
    client.read_exact(&mut vec![0; usize::from(methods)]).await?;
    client.write_all(&[5, 2]).await?;
    client.read_u8().await?;
    let mut told = Vec::new();
    for _ in 0..2 {
        let mut word = vec![0; usize::from(client.read_u8().await?)];
        client.read_exact(&mut word).await?;
        told.push(text(word));
    }
    if told != [NAME, PASSWORD] {
        return client.write_all(&[1, 1]).await;
    }
    client.write_all(&[1, 0]).await?;
    let mut ask = [0; 4];
    client.read_exact(&mut ask).await?;
    let host = match ask[3] {
        1 => {
            let mut four = [0; 4];
            client.read_exact(&mut four).await?;
            std::net::Ipv4Addr::from(four).to_string()
        }
        _ => {
            let mut name = vec![0; usize::from(client.read_u8().await?)];
            client.read_exact(&mut name).await?;
            text(name)
        }
    };
    let port = client.read_u16().await?;
    count.fetch_add(1, Ordering::SeqCst);
    let mut vendor = TcpStream::connect((host.as_str(), port)).await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut client, &mut vendor).await.map(drop)
}

fn through(kind: ProxyKind, port: u16, password: &str) -> Option<Proxy> {
    Some(Proxy { kind, host: "127.0.0.1".into(), port, username: Some(NAME.into()), password: Some(password.into()) })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accounts_calls_go_through_its_proxy() {
    for (kind, stream) in
        [(ProxyKind::Http, false), (ProxyKind::Http, true), (ProxyKind::Socks5, false), (ProxyKind::Socks5, true)]
    {
        let world = World::new().await;
        let fake = FakeUpstream::start(Vendor::OpenAi).await;
        let (port, served) = start(kind).await;
        world
            .account_with(&fake, AccountKind::OpenaiKey, Vendor::OpenAi, |draft| {
                draft.proxy = through(kind, port, PASSWORD)
            })
            .await;
        let ann = world.caller("ann").await;
        let answer = ann.http.post("/v1/chat/completions", chat(stream)).await;
        assert_eq!(answer.status, 200, "{kind:?}: {}", answer.text);
        assert!(!stream || said(&answer).contains("世界"), "{kind:?}: {}", answer.text);
        assert_eq!((served.load(Ordering::SeqCst), fake.requests().len()), (1, 1), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_fails_is_the_accounts_trouble_and_its_password_is_not_told() {
    for kind in [ProxyKind::Http, ProxyKind::Socks5] {
        let world = World::new().await;
        let (first, second) = (FakeUpstream::start(Vendor::OpenAi).await, FakeUpstream::start(Vendor::OpenAi).await);
        let (port, served) = start(kind).await;
        world
            .account_with(&first, AccountKind::OpenaiKey, Vendor::OpenAi, |draft| {
                draft.priority = 90;
                draft.proxy = through(kind, port, "another-word");
            })
            .await;
        let ann = world.caller("ann").await;
        let alone = ann.http.post("/v1/chat/completions", chat(false)).await;
        assert_eq!(alone.status, 503, "{kind:?}: {}", alone.text);
        assert!(!alone.text.contains("another-word") && !alone.text.contains(NAME), "{}", alone.text);
        world.account(&second, AccountKind::OpenaiKey, Vendor::OpenAi).await;
        let answer = ann.http.post("/v1/chat/completions", chat(false)).await;
        assert_eq!((answer.status.as_u16(), first.requests().len(), second.requests().len()), (200, 0, 1), "{kind:?}");
        assert_eq!(served.load(Ordering::SeqCst), 0, "{kind:?}");
    }
}
