//! Networks of addresses, `10.0.0.0/8` or `2001:db8::/32`.

use std::net::IpAddr;

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    base: u128,
    mask: u128,
    v4: bool,
}

impl Net {
    /// Reads an address alone or with `/bits`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) if !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()) => {
                (address, Some(bits.parse::<u32>().ok()?))
            }
            Some(_) => return None,
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let (value, width, v4) = number(address);
        // `::ffff:10.0.0.0/104` counts its bits as a v6 network, `10.0.0.0/8` as a v4 one; both are meant.
        let given = match (address, v4) {
            (IpAddr::V6(_), true) => bits.map(|b| b.checked_sub(96)).unwrap_or(Some(width))?,
            _ => bits.unwrap_or(width),
        };
        if given > width {
            return None;
        }
        let all = if width == 32 { u128::from(u32::MAX) } else { u128::MAX };
        let mask = if given == 0 { 0 } else { (all << (width - given)) & all };
        Some(Self { base: value & mask, mask, v4 })
    }
    /// True when an address lies in it. A v4 address in v6 clothes is a v4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (value, _, v4) = number(address);
        v4 == self.v4 && value & self.mask == self.base
    }
}

fn number(address: IpAddr) -> (u128, u32, bool) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32, true),
        IpAddr::V6(v6) => (u128::from(v6), 128, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses_and_no_others() {
        for (net, inside, outside) in [
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.1"),
            ("192.168.1.7", "192.168.1.7", "192.168.1.8"),
            ("192.168.1.7/24", "192.168.1.200", "192.168.2.7"),
            ("0.0.0.0/0", "8.8.8.8", "::1"),
            ("::/0", "2001:db8::1", "8.8.8.8"),
            ("2001:db8::/32", "2001:db8:1::5", "2001:db9::1"),
            ("::ffff:10.0.0.0/104", "10.1.1.1", "11.1.1.1"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::10.0.0.1"),
        ] {
            let parsed = Net::parse(net).expect(net);
            assert!(parsed.contains(inside.parse().expect("an address")), "{inside} in {net}");
            assert!(!parsed.contains(outside.parse().expect("an address")), "{outside} not in {net}");
        }
        for bad in ["", "10.0.0", "10.0.0.0/33", "::1/129", "10.0.0.0/", "10.0.0.0/x", "a.b.c.d/8", "10.0.0.0/-1"] {
            assert_eq!(Net::parse(bad), None, "{bad}");
        }
    }
}
