//! Reading what another installation or a status page publishes, within bounds.

use relay::upstream::guard::Guard;
use reqwest::Url;

/// Longest answer that is read.
const LONGEST: usize = 8 * 1024 * 1024;

/// What an address answers, or why there is nothing.
pub async fn fetched(guard: &Guard, address: &str) -> Result<Vec<u8>, String> {
    let url = Url::parse(address).map_err(|_| "地址无效".to_owned())?;
    let client = guard.client(&url).await?;
    let mut answer = client.get(url).send().await.map_err(|_| "无法连接".to_owned())?;
    if !answer.status().is_success() {
        return Err(format!("HTTP {}", answer.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|_| "连接中断".to_owned())? {
        body.extend_from_slice(&piece);
        if body.len() > LONGEST {
            return Err("返回数据过大".to_owned());
        }
    }
    Ok(body)
}
