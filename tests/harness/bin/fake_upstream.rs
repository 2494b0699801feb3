//! Every fake vendor on one port, for scripts and for clients in other languages.

use std::io::Write;

use harness::fake_upstream::{FakeUpstream, Vendor};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = match std::env::args().nth(1).as_deref() {
        Some("--help" | "-h") => {
            writeln!(std::io::stdout(), "usage: fake-upstream [ADDRESS]   (default 127.0.0.1:19090)")?;
            return Ok(());
        }
        Some(address) => address.to_owned(),
        None => "127.0.0.1:19090".to_owned(),
    };
    let listener = TcpListener::bind(&address).await?;
    let fake = FakeUpstream::serve(None, listener);
    let mut out = std::io::stdout();
    for vendor in Vendor::ALL {
        writeln!(out, "{:<10} {}  key {}", vendor.prefix(), fake.url_of(vendor), vendor.key())?;
    }
    out.flush()?;
    tokio::signal::ctrl_c().await?;
    for fault in fake.faults() {
        writeln!(std::io::stderr(), "{fault}")?;
    }
    Ok(())
}
