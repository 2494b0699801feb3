//! The providers' and merchants' test keys, and signing with them.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::rand::SystemRandom;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};

/// Our application's key at Alipay.
pub const ALIPAY_MERCHANT: &str = include_str!("../keys/alipay_merchant.TEST.pem");
/// Alipay's own.
pub const ALIPAY_PLATFORM: &str = include_str!("../keys/alipay_platform.TEST.pem");
/// Its public half.
pub const ALIPAY_PLATFORM_PUBLIC: &str = include_str!("../keys/alipay_platform.TEST.pub.pem");
/// Our merchant key at WeChat Pay.
pub const WECHAT_MERCHANT: &str = include_str!("../keys/wechat_merchant.TEST.pem");
/// WeChat Pay's own.
pub const WECHAT_PLATFORM: &str = include_str!("../keys/wechat_platform.TEST.pem");
/// Its public half.
pub const WECHAT_PLATFORM_PUBLIC: &str = include_str!("../keys/wechat_platform.TEST.pub.pem");
/// Its certificate.
pub const WECHAT_PLATFORM_CERTIFICATE: &str = include_str!("../keys/wechat_platform.TEST.crt");
/// The certificate's serial number.
pub const WECHAT_PLATFORM_SERIAL: &str = "7A3C5D1E9F2B4A6880C1D3E5F7092B4D6F8A1C3E";
/// Somebody else's.
pub const ATTACKER: &str = include_str!("../keys/attacker.TEST.pem");

/// An RSA key of the test set.
pub struct TestKey(RsaKeyPair);

impl TestKey {
    /// Reads one of the keys above.
    pub fn read(pem: &str) -> Self {
        let inner: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = BASE64_STANDARD.decode(inner).expect("a test key is base64");
        Self(RsaKeyPair::from_pkcs8(&der).expect("a test key is PKCS#8"))
    }

    /// SHA-256 with RSA, in base64.
    pub fn sign(&self, message: &[u8]) -> String {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).expect("a test key signs");
        BASE64_STANDARD.encode(signature)
    }

    /// Whether its public half finds the signature good.
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let Ok(signature) = BASE64_STANDARD.decode(signature) else { return false };
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.0.public_key().as_ref());
        public.verify(message, &signature).is_ok()
    }
}
