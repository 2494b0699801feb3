//! Randomness and identifiers: all from the system's CSPRNG.

use std::cell::{Cell, RefCell};

use ring::rand::{SecureRandom, SystemRandom};

use crate::Time;

/// Fills an array with random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    // The system generator fails only where no entropy source exists at all; going on without one
    // would hand out guessable secrets.
    SystemRandom::new().fill(&mut bytes).expect("the system's random generator");
    bytes
}

/// A number that is nobody's secret: for drawing lots, not for names that must not be guessed.
pub fn lot() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(u64::from_le_bytes(random::<8>()));
    }
    // SplitMix64: one addition and a good stir.
    let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    stir(state)
}

/// Another lot out of a lot, which tells nothing of the first.
pub fn stir(lot: u64) -> u64 {
    let mut z = lot;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A new name for something that happens at a moment: unique, and in the order of the moments, so that an index of
/// millions of them grows at its end alone.
pub fn timely(at: Time) -> String {
    let mut name = hex(at.0.to_be_bytes().get(2..).unwrap_or_default());
    name.push_str(&hex(&pooled::<9>()));
    name
}

/// Random bytes from a small pool of each thread's, so that not every call asks the system for its few.
fn pooled<const N: usize>() -> [u8; N] {
    const POOL: usize = 256;
    thread_local! {
        static LEFT: RefCell<([u8; POOL], usize)> = const { RefCell::new(([0; POOL], 0)) };
    }
    LEFT.with_borrow_mut(|(pool, left)| {
        if *left < N {
            (*pool, *left) = (random::<POOL>(), POOL);
        }
        let mut bytes = [0; N];
        *left -= N;
        let taken = &mut pool[*left..*left + N];
        bytes.copy_from_slice(taken);
        // A name is in nobody's memory but its owner's.
        taken.fill(0);
        bytes
    })
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for b in bytes {
        out.push(DIGITS[usize::from(b >> 4)] as char);
        out.push(DIGITS[usize::from(b & 15)] as char);
    }
    out
}

/// The bytes of hex text, of either case.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| (pair[0] << 4) | pair[1]).collect())
}

/// A random (version 4) UUID.
pub fn uuid() -> String {
    let mut b = random::<16>();
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    let h = hex(&b);
    format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
}

/// `len` characters drawn evenly from `alphabet`.
pub fn code(alphabet: &[u8], len: usize) -> String {
    let limit = 256 - 256 % alphabet.len();
    let mut out = String::with_capacity(len);
    while out.len() < len {
        for b in random::<32>() {
            // Bytes past the last whole multiple are thrown away, or the first letters would come more often.
            if usize::from(b) < limit && out.len() < len {
                out.push(alphabet[usize::from(b) % alphabet.len()] as char);
            }
        }
    }
    out
}

/// Digits and capitals, for codes people type.
pub const CODE_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// Digits and both cases, for tokens.
pub const TOKEN_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// SHA-256 as hex: the stored form of every high-entropy secret.
pub fn digest(text: &str) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timely_names_are_in_the_order_of_their_moments() {
        let (earlier, later) = (timely(Time(1_700_000_000_000)), timely(Time(1_700_000_000_001)));
        assert!(earlier < later);
        assert_eq!(earlier.len(), 30);
        assert_ne!(timely(Time(0)), timely(Time(0)));
        assert_ne!(lot(), lot());
    }

    #[test]
    fn codes_have_the_asked_length_and_letters() {
        let c = code(CODE_ALPHABET, 12);
        assert_eq!(c.len(), 12);
        assert!(c.bytes().all(|b| CODE_ALPHABET.contains(&b)));
        assert_ne!(code(CODE_ALPHABET, 12), code(CODE_ALPHABET, 12));
        assert_eq!(uuid().len(), 36);
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn hex_goes_both_ways() {
        assert_eq!(unhex(&hex(&[0, 15, 255])), Some(vec![0, 15, 255]));
        assert_eq!((unhex("fF"), unhex("")), (Some(vec![255]), Some(Vec::new())));
        assert_eq!((unhex("f"), unhex("0g"), unhex("éé")), (None, None, None));
    }
}
