//! A notice in the form of each platform, signed as that platform wants it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use schema::Time;
use serde_json::{Value, json};

use super::{Notice, Platform};

/// A message ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub url: String,
    pub body: String,
    /// Signature and time, where they travel as headers.
    pub headers: Vec<(&'static str, String)>,
}

/// A notice as it goes to a platform at a moment.
pub fn message(platform: &Platform, notice: &Notice, now: Time) -> Message {
    let mut url = platform.address();
    let mut headers = Vec::new();
    let signs = platform.enable_sign && !platform.secret.is_empty();
    let text = notice.text();
    let body = match platform.kind.as_str() {
        "wechat_work" => json!({ "msgtype": "markdown", "markdown": { "content": text } }),
        "feishu" => {
            let mut body = json!({ "msg_type": "text", "content": { "text": text } });
            if signs {
                let stamp = now.seconds().to_string();
                // Here the secret is part of the key and nothing is signed.
                let key = format!("{stamp}\n{}", platform.secret);
                body["sign"] = BASE64_STANDARD.encode(mac(key.as_bytes(), b"")).into();
                body["timestamp"] = stamp.into();
            }
            body
        }
        "dingtalk" => {
            if signs {
                let stamp = now.0.to_string();
                let sign = mac(platform.secret.as_bytes(), format!("{stamp}\n{}", platform.secret).as_bytes());
                if let Ok(mut parsed) = reqwest::Url::parse(&url) {
                    parsed
                        .query_pairs_mut()
                        .append_pair("timestamp", &stamp)
                        .append_pair("sign", &BASE64_STANDARD.encode(sign));
                    url = parsed.into();
                }
            }
            json!({ "msgtype": "markdown", "markdown": { "title": notice.title, "text": text } })
        }
        "slack" => json!({ "text": text }),
        "discord" => json!({ "content": text.chars().take(2_000).collect::<String>() }),
        "telegram" => json!({
            "chat_id": platform.chat_id, "text": text.chars().take(4_000).collect::<String>(),
            "disable_web_page_preview": true,
        }),
        "bark" => json!({
            "device_key": platform.device_key, "title": notice.title, "body": notice.lines(),
            "level": or(&platform.level, "active"), "sound": or(&platform.sound, "default"),
            "group": or(&platform.group, "tollgate"),
        }),
        _ => notice.document(),
    };
    let body = body.to_string();
    if signs && platform.kind == "custom" {
        let stamp = now.seconds().to_string();
        let sign = schema::id::hex(&mac(platform.secret.as_bytes(), format!("{stamp}.{body}").as_bytes()));
        headers.push(("x-webhook-timestamp", stamp));
        headers.push(("x-webhook-signature", format!("sha256={sign}")));
    }
    Message { url, body, headers }
}

fn or<'a>(given: &'a str, default: &'a str) -> &'a str {
    if given.is_empty() { default } else { given }
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec()
}

impl Notice {
    fn lines(&self) -> String {
        self.facts.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
    }
    /// The notice in lines, its title first.
    pub fn text(&self) -> String {
        format!("{}\n{}time: {}", self.title, self.lines(), self.at.rfc3339())
    }
    fn document(&self) -> Value {
        let facts: serde_json::Map<String, Value> =
            self.facts.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
        json!({ "type": self.kind, "title": self.title, "data": facts, "timestamp": self.at.rfc3339() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::KINDS;

    fn notice() -> Notice {
        Notice {
            kind: "test",
            title: "A test".into(),
            facts: vec![("account", "a".into())],
            at: Time(1_700_000_000_000),
        }
    }

    fn platform(kind: &str) -> Platform {
        Platform {
            kind: kind.into(),
            url: "https://hooks.example/x?key=1".into(),
            enable_sign: true,
            secret: "s".into(),
            bot_token: "1:x".into(),
            chat_id: "7".into(),
            device_key: "d".into(),
            ..Platform::default()
        }
    }

    #[test]
    fn every_platform_gets_its_form() {
        for kind in KINDS.iter().filter(|kind| **kind != "smtp") {
            let sent = message(&platform(kind), &notice(), Time(1_700_000_001_000));
            let body: Value = serde_json::from_str(&sent.body).unwrap();
            assert!(sent.body.contains("A test"), "{kind}: {body}");
            assert!(!sent.body.contains("\"s\""), "{kind} tells the secret");
        }
    }

    #[test]
    fn signatures_are_those_the_platforms_document() {
        let now = Time(1_700_000_001_000);
        let custom = message(&platform("custom"), &notice(), now);
        let wanted = schema::id::hex(&mac(b"s", format!("1700000001.{}", custom.body).as_bytes()));
        assert_eq!(custom.headers[1].1, format!("sha256={wanted}"));
        let ding = message(&platform("dingtalk"), &notice(), now);
        let url = reqwest::Url::parse(&ding.url).unwrap();
        let sign = url.query_pairs().find(|(k, _)| k == "sign").unwrap().1.into_owned();
        assert_eq!(sign, BASE64_STANDARD.encode(mac(b"s", b"1700000001000\ns")));
        let feishu: Value = serde_json::from_str(&message(&platform("feishu"), &notice(), now).body).unwrap();
        assert_eq!(feishu["sign"], BASE64_STANDARD.encode(mac(b"1700000001\ns", b"")));
        let unsigned = Platform { enable_sign: false, ..platform("custom") };
        assert!(message(&unsigned, &notice(), now).headers.is_empty());
    }
}
