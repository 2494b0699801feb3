//! RSA keys as operators paste them: PEM or bare base64; PKCS#8 or PKCS#1 private keys; public keys by themselves, as
//! SubjectPublicKeyInfo or inside a certificate. Only SHA-256 with PKCS#1 v1.5, which is what the vendors sign with.
//!
//! Certificates are read for their key and serial number; whom to trust is the caller's decision.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::rsa::KeyPair;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey};

use super::PayError;

/// DER of the object identifier 1.2.840.113549.1.1.1, `rsaEncryption`.
const RSA_ENCRYPTION: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// A private key that signs.
pub(super) struct SigningKey(KeyPair);

impl SigningKey {
    /// Reads a private key of at least 2048 bits.
    pub fn read(text: &str) -> Result<Self, PayError> {
        const WRONG: PayError = PayError::Misconfigured("the private key must be an RSA key of 2048 bits or more");
        let der = decode(text).ok_or(WRONG)?;
        KeyPair::from_pkcs8(&der).or_else(|_| KeyPair::from_der(&der)).map(Self).map_err(|_| WRONG)
    }

    /// The base64 of the signature of `message`.
    pub fn sign(&self, message: &[u8]) -> Result<String, PayError> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| PayError::Misconfigured("the private key cannot sign"))?;
        Ok(BASE64_STANDARD.encode(signature))
    }
}

/// A public key that verifies.
#[derive(Clone)]
pub(super) struct VerifyingKey {
    /// PKCS#1 `RSAPublicKey`, the form the verifier takes.
    der: Vec<u8>,
}

impl VerifyingKey {
    /// Reads a public key of at least 2048 bits, or the one inside a certificate.
    pub fn read(text: &str) -> Result<Self, PayError> {
        Ok(read_public(text)?.0)
    }

    /// Whether `signature` (base64) is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let Ok(signature) = BASE64_STANDARD.decode(signature) else {
            return false;
        };
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.der).verify(message, &signature).is_ok()
    }
}

/// Reads a public key or certificate; the second value is the certificate's serial number, in upper-case hex.
pub(super) fn read_public(text: &str) -> Result<(VerifyingKey, Option<String>), PayError> {
    const WRONG: PayError = PayError::Misconfigured("the public key must be an RSA key of 2048 bits or more");
    let der = decode(text).ok_or(WRONG)?;
    let (key, serial) = public_key_in(&der).ok_or(WRONG)?;
    Ok((VerifyingKey { der: key.to_vec() }, serial.map(hex_upper)))
}

/// Random text for nonces: 32 hex digits.
pub(super) fn nonce() -> Result<String, PayError> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| PayError::Misconfigured("the system gives no randomness"))?;
    Ok(hex_upper(&bytes))
}

/// The bytes of the first PEM block, or of text that is base64 and nothing else.
fn decode(text: &str) -> Option<Vec<u8>> {
    let inner = match text.find("-----BEGIN ") {
        None => text,
        Some(start) => {
            let block = &text[start + "-----BEGIN ".len()..];
            let (label, rest) = block.split_once("-----")?;
            rest.split_once(&format!("-----END {label}-----"))?.0
        }
    };
    // Keys travel through environment variables, where line ends are often written out as two characters.
    let inner = inner.replace("\\n", "");
    BASE64_STANDARD.decode(inner.split_ascii_whitespace().collect::<String>()).ok()
}

/// The `RSAPublicKey` in any of the three wrappings, and the serial number if the wrapping is a certificate.
fn public_key_in(der: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let mut outer = only(der, SEQUENCE)?;
    let (first_tag, first) = element(&mut outer)?;
    let (second_tag, second) = element(&mut outer)?;
    match (first_tag, second_tag) {
        (INTEGER, INTEGER) => checked_size(der).map(|key| (key, None)),
        (SEQUENCE, BIT_STRING) => key_in_info(first, second).map(|key| (key, None)),
        (SEQUENCE, SEQUENCE) => {
            let mut fields = first;
            let (mut tag, mut value) = element(&mut fields)?;
            if tag == VERSION {
                (tag, value) = element(&mut fields)?;
            }
            let serial = (tag == INTEGER).then_some(value)?;
            // Signature algorithm, issuer, validity, subject; then the key.
            for _ in 0..4 {
                (element(&mut fields)?.0 == SEQUENCE).then_some(())?;
            }
            let mut info = expect(&mut fields, SEQUENCE)?;
            let algorithm = expect(&mut info, SEQUENCE)?;
            let key = key_in_info(algorithm, expect(&mut info, BIT_STRING)?)?;
            let serial = if serial.len() > 1 && serial[0] == 0 { &serial[1..] } else { serial };
            Some((key, Some(serial)))
        }
        _ => None,
    }
}

/// The key in a SubjectPublicKeyInfo, if it is an RSA key.
fn key_in_info<'a>(mut algorithm: &[u8], bits: &'a [u8]) -> Option<&'a [u8]> {
    (expect(&mut algorithm, OBJECT_ID)? == RSA_ENCRYPTION).then_some(())?;
    // A bit string starts with the number of unused bits, which is 0 for whole bytes.
    checked_size(bits.strip_prefix(&[0])?)
}

/// The key again, if its modulus has at least 2048 bits.
fn checked_size(der: &[u8]) -> Option<&[u8]> {
    let mut fields = only(der, SEQUENCE)?;
    let modulus = expect(&mut fields, INTEGER)?;
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    (modulus.len() >= 256).then_some(der)
}

/// The content of `der`, if it is one element of that tag and nothing more.
fn only(mut der: &[u8], tag: u8) -> Option<&[u8]> {
    let content = expect(&mut der, tag)?;
    der.is_empty().then_some(content)
}

/// The content of the next element, if it has that tag.
fn expect<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    element(input).and_then(|(found, content)| (found == tag).then_some(content))
}

/// Tag and content of the next DER element; `input` moves behind it.
fn element<'a>(input: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let count = usize::from(first & 0x7f);
        if !(1..=3).contains(&count) || rest.len() < count {
            return None;
        }
        length = rest[..count].iter().fold(0, |sum, &byte| (sum << 8) | usize::from(byte));
        rest = &rest[count..];
    }
    if rest.len() < length {
        return None;
    }
    let (content, behind) = rest.split_at(length);
    *input = behind;
    Some((tag, content))
}

fn hex_upper(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        text.push(char::from(b"0123456789ABCDEF"[usize::from(byte >> 4)]));
        text.push(char::from(b"0123456789ABCDEF"[usize::from(byte & 15)]));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIVATE: &str = include_str!("../../../tests/harness/keys/alipay_merchant.TEST.pem");
    const PUBLIC: &str = include_str!("../../../tests/harness/keys/alipay_merchant.TEST.pub.pem");
    const CERTIFICATE: &str = include_str!("../../../tests/harness/keys/wechat_platform.TEST.crt");
    const CERTIFIED: &str = include_str!("../../../tests/harness/keys/wechat_platform.TEST.pem");

    /// Made by `openssl dgst -sha256 -sign alipay_merchant.TEST.pem` over [`MESSAGE`].
    const SIGNATURE: &str = "m9A+I4pqExiAJAw+Ln/OM4Jq4AvrduHmVtpJzjUc9NFgizPQ1t5N/gXJkPi2eaieyXbhXemOmfTBlhfyGh8fXRE/\
        dG1Y2YWqg3pY1lTI1NQOyFp4ss1sVQopE1HO6kxkYL2QuUe0kr6CI24mvKV3cGHK/LHC5sh84yBhuRFAm+C/+1GRQ80LkKwGX6N1bZr+XwlE8yc2\
        higZn3ZKiBxR6NyJzdQa6JdhUH86fp2yVpl5xPumOyGmzgOvUn1Am710jkYKlA6tvWRQcvjk0J/VZkkjv0rQKEJqdAoeVX78Vf5OZzIIBkpw8lTE\
        swf55QstRlbIfTKCmOxdGMoBg3YJcA==";
    const MESSAGE: &str = "a=1&b=中文";

    #[test]
    fn signs_what_openssl_signs() -> Result<(), PayError> {
        assert_eq!(SigningKey::read(PRIVATE)?.sign(MESSAGE.as_bytes())?, SIGNATURE);
        Ok(())
    }

    #[test]
    fn verifies_only_the_same_text_under_the_same_key() -> Result<(), PayError> {
        let key = VerifyingKey::read(PUBLIC)?;
        assert!(key.verifies(MESSAGE.as_bytes(), SIGNATURE));
        assert!(!key.verifies("a=2&b=中文".as_bytes(), SIGNATURE));
        assert!(!key.verifies(MESSAGE.as_bytes(), ""));
        assert!(!key.verifies(MESSAGE.as_bytes(), "not base64!"));
        assert!(!VerifyingKey::read(CERTIFICATE)?.verifies(MESSAGE.as_bytes(), SIGNATURE));
        Ok(())
    }

    #[test]
    fn a_certificate_gives_its_key_and_serial_number() -> Result<(), PayError> {
        let (key, serial) = read_public(CERTIFICATE)?;
        assert_eq!(serial.as_deref(), Some("7A3C5D1E9F2B4A6880C1D3E5F7092B4D6F8A1C3E"));
        assert!(key.verifies(b"x", &SigningKey::read(CERTIFIED)?.sign(b"x")?));
        Ok(())
    }

    #[test]
    fn keys_come_in_every_wrapping() -> Result<(), PayError> {
        let bare = |pem: &str| pem.lines().filter(|line| !line.starts_with("---")).collect::<String>();
        let one_line = PRIVATE.replace('\n', "\\n");
        // PKCS#8 is version, algorithm and the PKCS#1 key as an octet string.
        let pkcs8 = decode(PRIVATE).unwrap_or_default();
        let mut fields = only(&pkcs8, SEQUENCE).unwrap_or_default();
        let parts: Vec<_> = std::iter::from_fn(|| element(&mut fields)).collect();
        let pkcs1 = BASE64_STANDARD.encode(parts[2].1);
        for text in [bare(PRIVATE), one_line, pkcs1] {
            assert_eq!(SigningKey::read(&text)?.sign(MESSAGE.as_bytes())?, SIGNATURE);
        }
        let spki = decode(PUBLIC).unwrap_or_default();
        let raw = public_key_in(&spki).map(|(key, _)| BASE64_STANDARD.encode(key)).unwrap_or_default();
        for text in [bare(PUBLIC), raw] {
            assert!(VerifyingKey::read(&text)?.verifies(MESSAGE.as_bytes(), SIGNATURE));
        }
        Ok(())
    }

    #[test]
    fn rubbish_is_refused_and_never_panics() {
        let der = decode(CERTIFICATE).unwrap_or_default();
        for end in 0..der.len() {
            assert!(public_key_in(&der[..end]).is_none());
        }
        for text in ["", "-----BEGIN ", "-----BEGIN X-----", "AAAA", "MIIB", "-----BEGIN A-----\nMAA=\n-----END A-----"]
        {
            assert!(VerifyingKey::read(text).is_err(), "{text}");
            assert!(SigningKey::read(text).is_err(), "{text}");
        }
    }
}
