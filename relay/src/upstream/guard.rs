//! Going out to addresses that people typed in: nothing inside this network is reached through them.
//!
//! Names are resolved once, every address must be public, and the connection goes to exactly the address that
//! was judged. Hosts that the operator lists are excepted. Redirects are the caller's to judge anew.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::Url;

/// What may be reached.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Hosts (`host` or `host:port`) that may be reached wherever they are.
    allowed: Vec<String>,
}

impl Guard {
    /// A guard that excepts the hosts of a comma-separated list.
    pub fn new(allowed: &str) -> Self {
        let hosts = allowed.split(',').map(|host| host.trim().to_ascii_lowercase()).filter(|host| !host.is_empty());
        Self { allowed: hosts.collect() }
    }

    /// The same, with one more host (`host` or `host:port`) that may be reached wherever it is.
    pub fn and(&self, host: &str) -> Self {
        let mut allowed = self.allowed.clone();
        allowed.push(host.to_ascii_lowercase());
        Self { allowed }
    }

    /// Whether an address may be asked for at another machine, which then looks its name up: it names a host
    /// of the outside, or an address there.
    pub fn may_ask_elsewhere(&self, url: &Url) -> bool {
        let Some(host) = url.host_str().map(|host| host.trim_matches(['[', ']'])) else { return false };
        let plain = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
        let inside = match host.parse::<IpAddr>() {
            Ok(ip) => !is_public(ip),
            Err(_) => host == "localhost" || host.ends_with(".localhost") || !host.contains('.'),
        };
        plain && !inside
    }

    /// The addresses of a host that may be reached; never none.
    pub async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, &'static str> {
        let excepted = self.allowed.iter().any(|allowed| *allowed == host || *allowed == format!("{host}:{port}"));
        let found = resolve(host, port).await?;
        let usable: Vec<SocketAddr> = found.into_iter().filter(|address| excepted || is_public(address.ip())).collect();
        if usable.is_empty() { Err("its host is not on the public network") } else { Ok(usable) }
    }

    /// A client that can only reach the addresses that this URL was found to lead to. It follows no redirects.
    pub async fn client(&self, url: &Url) -> Result<reqwest::Client, &'static str> {
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
            return Err("only plain http and https addresses are fetched");
        }
        let host = url.host_str().ok_or("it names no host")?.trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().ok_or("it names no port")?;
        let usable = self.addresses(&host, port).await?;
        // Without this the name would be looked up again, and could then lead elsewhere.
        reqwest::Client::builder()
            .resolve_to_addrs(&host, &usable)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .user_agent(crate::provider::USER_AGENT)
            .build()
            .map_err(|_| "no connection can be made")
    }
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, &'static str> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let found = tokio::net::lookup_host((host, port)).await.map_err(|_| "its host is not known")?;
    Ok(found.collect())
}

/// Whether an address lies on the public network.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => public_v4(ip),
        IpAddr::V6(ip) => public_v6(ip),
    }
}

fn public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let reserved = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_broadcast()
        || ip.is_documentation()
        || a == 0
        || a >= 240
        // Shared by carriers; cloud providers put services of theirs there.
        || a == 100 && (64..128).contains(&b)
        || a == 192 && b == 0 && c == 0
        || a == 192 && b == 88 && c == 99
        || a == 198 && (18..20).contains(&b);
    !reserved
}

fn public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    // Only what is given out to the world, without documentation, and without the ways into IPv4.
    let global = a & 0xe000 == 0x2000;
    let documentation = a == 0x2001 && b == 0x0db8 || a == 0x3fff && b < 0x1000;
    let teredo_and_kin = a == 0x2001 && b < 0x0200;
    let six_to_four = a == 0x2002;
    global && !documentation && !teredo_and_kin && !six_to_four
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_network_is_public() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "64:ff9b::7f00:1",
            "ff02::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["8.8.8.8", "1.1.1.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }
}
