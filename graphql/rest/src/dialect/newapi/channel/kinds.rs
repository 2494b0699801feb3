//! This system's channel type numbers, as rows: which kind of account each is, whose address it has, and
//! how its key is written.

use schema::Error;
use schema::model::account::AccountKind as Kind;
use schema::service::account::Credentials;

struct Row {
    number: i64,
    kind: Kind,
    vendor: Option<&'static str>,
    base_url: Option<&'static str>,
}

const fn compatible(number: i64, vendor: &'static str, base_url: &'static str) -> Row {
    Row { number, kind: Kind::OpenaiCompatible, vendor: Some(vendor), base_url: Some(base_url) }
}

const fn own(number: i64, kind: Kind) -> Row {
    Row { number, kind, vendor: None, base_url: None }
}

const ROWS: &[Row] = &[
    own(1, Kind::OpenaiKey),
    own(2, Kind::Midjourney),
    own(3, Kind::AzureOpenai),
    compatible(4, "ollama", "http://localhost:11434/v1"),
    own(5, Kind::Midjourney),
    own(8, Kind::OpenaiCompatible),
    own(14, Kind::ClaudeConsole),
    compatible(17, "dashscope", "https://dashscope.aliyuncs.com/compatible-mode/v1"),
    compatible(20, "openrouter", "https://openrouter.ai/api/v1"),
    own(24, Kind::GeminiKey),
    compatible(25, "moonshot", "https://api.moonshot.cn/v1"),
    compatible(26, "zhipu", "https://open.bigmodel.cn/api/paas/v4"),
    compatible(27, "perplexity", "https://api.perplexity.ai"),
    compatible(31, "lingyiwanwu", "https://api.lingyiwanwu.com/v1"),
    own(33, Kind::Bedrock),
    compatible(34, "cohere", "https://api.cohere.ai/compatibility/v1"),
    compatible(35, "minimax", "https://api.minimax.chat/v1"),
    own(36, Kind::Suno),
    compatible(38, "jina", "https://api.jina.ai/v1"),
    compatible(40, "siliconflow", "https://api.siliconflow.cn/v1"),
    own(41, Kind::Vertex),
    compatible(42, "mistral", "https://api.mistral.ai/v1"),
    compatible(43, "deepseek", "https://api.deepseek.com/v1"),
    compatible(45, "volcengine", "https://ark.cn-beijing.volces.com/api/v3"),
    compatible(46, "baidu", "https://qianfan.baidubce.com/v2"),
    compatible(48, "xai", "https://api.x.ai/v1"),
    own(50, Kind::Kling),
    own(51, Kind::Video),
    own(52, Kind::Video),
    own(54, Kind::Video),
    own(55, Kind::Video),
    own(57, Kind::OpenaiOauth),
];

fn row(number: i64) -> Option<&'static Row> {
    ROWS.iter().find(|r| r.number == number)
}

/// The kind a number stands for; numbers not listed speak OpenAI's protocol.
pub fn kind(number: i64) -> Kind {
    row(number).map_or(Kind::OpenaiCompatible, |r| r.kind)
}

/// The vendor's name, for those that are rows of one protocol.
pub fn vendor(number: i64) -> Option<&'static str> {
    row(number)?.vendor
}

/// Where the vendor is reached when nothing else is said.
pub fn base_url(number: i64) -> Option<String> {
    row(number)?.base_url.map(str::to_owned)
}

/// The number for an account that was not made here.
pub fn number(kind: Kind) -> i64 {
    match kind {
        Kind::OpenaiCompatible => 8,
        Kind::OpenaiResponses => 1,
        Kind::ClaudeOauth | Kind::Ccr => 14,
        Kind::GeminiOauth => 24,
        other => ROWS.iter().find(|r| r.kind == other).map_or(1, |r| r.number),
    }
}

/// Channel types by number, and the catalogue's providers whose models each serves.
pub fn types() -> impl Iterator<Item = (i64, Vec<&'static str>)> {
    ROWS.iter().map(|row| {
        let providers = match (row.kind, row.vendor) {
            (_, Some("jina")) => vec!["jina_ai"],
            (_, Some(vendor)) => vec![vendor],
            (Kind::OpenaiKey | Kind::OpenaiCompatible | Kind::OpenaiOauth, None) => vec!["openai"],
            (Kind::ClaudeConsole, None) => vec!["anthropic"],
            (Kind::GeminiKey, None) => vec!["gemini", "google"],
            (Kind::AzureOpenai, None) => vec!["azure"],
            (Kind::Bedrock, None) => vec!["bedrock", "bedrock_converse"],
            (Kind::Vertex, None) => vec!["vertex_ai", "vertex"],
            (Kind::Midjourney, None) => vec!["midjourney"],
            (Kind::Suno, None) => vec!["suno"],
            (Kind::Kling, None) => vec!["kling"],
            _ => Vec::new(),
        };
        (row.number, providers)
    })
}

/// A key as this system writes it: `ak|sk` for Kling, `ak|sk|region` for AWS, JSON for a service account.
pub fn credentials(kind: Kind, keys: &[&str]) -> Result<(Credentials, Option<String>), Error> {
    let first = keys.first().copied().unwrap_or("");
    let bad = |form: &str| Error::invalid("key", format!("此类型渠道的 key 格式为 {form}"));
    Ok(match kind {
        Kind::Bedrock => {
            let parts: Vec<&str> = first.split('|').map(str::trim).collect();
            match parts[..] {
                [access, secret, region] if !access.is_empty() && !secret.is_empty() => {
                    let credentials = Credentials::Aws {
                        access_key_id: access.into(),
                        secret_access_key: secret.into(),
                        session_token: None,
                    };
                    (credentials, Some(region.to_owned()))
                }
                _ => return Err(bad("AccessKey|SecretKey|Region")),
            }
        }
        Kind::Kling => match first.split_once('|') {
            Some((access, secret)) => {
                (Credentials::Pair { access: access.trim().into(), secret: secret.trim().into() }, None)
            }
            None => return Err(bad("AccessKey|SecretKey")),
        },
        Kind::Vertex if first.trim_start().starts_with('{') => {
            (Credentials::ServiceAccount { json: first.to_owned() }, None)
        }
        _ => (Credentials::Keys { keys: keys.iter().map(|k| (*k).to_owned()).collect() }, None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_kinds_agree() {
        assert_eq!(kind(1), Kind::OpenaiKey);
        assert_eq!(number(Kind::OpenaiKey), 1);
        assert_eq!(kind(999), Kind::OpenaiCompatible);
        assert_eq!(vendor(43), Some("deepseek"));
        assert!(credentials(Kind::Kling, &["only-one"]).is_err());
        assert!(matches!(credentials(Kind::Bedrock, &["a|b|us-east-1"]), Ok((Credentials::Aws { .. }, Some(_)))));
    }
}
