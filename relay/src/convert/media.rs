//! Pictures, recordings and documents as the dialects pack them: data URLs, bare base64, media types.

use super::hub::{HubError, Source};

/// A URL as a caller gave it: data URLs hold the content themselves.
pub(crate) fn from_url(url: &str, field: &str) -> Result<Source, HubError> {
    let Some(rest) = url.strip_prefix("data:") else {
        if url.is_empty() {
            return Err(HubError::invalid(field, "expected a URL"));
        }
        return Ok(Source::Url(url.to_owned()));
    };
    let (head, data) = rest.split_once(',').ok_or_else(|| HubError::invalid(field, "expected a data URL"))?;
    let media = head
        .strip_suffix(";base64")
        .ok_or_else(|| HubError::unsupported(field, "only base64 data URLs are supported"))?;
    let media = media.split(';').next().unwrap_or_default();
    let media = if media.is_empty() { "application/octet-stream" } else { media };
    Ok(base64(media, data))
}

/// Base64 content in the standard alphabet; the URL-safe one (which Google's clients may use) is rewritten.
pub(crate) fn base64(media: &str, data: &str) -> Source {
    let mut data = data.to_owned();
    if data.bytes().any(|b| matches!(b, b'-' | b'_')) {
        data = data.replace('-', "+").replace('_', "/");
        while !data.len().is_multiple_of(4) {
            data.push('=');
        }
    }
    Source::Base64 { media: media.to_owned(), data }
}

/// A data URL.
pub(crate) fn data_url(media: &str, data: &str) -> String {
    format!("data:{media};base64,{data}")
}

/// The media type of a chat audio format.
pub(crate) fn audio_media(format: &str) -> String {
    match format {
        "mp3" => "audio/mpeg".to_owned(),
        other => format!("audio/{other}"),
    }
}

/// The chat audio format of a media type.
pub(crate) fn audio_format(media: &str) -> String {
    match media {
        "audio/mpeg" | "audio/mp3" => "mp3".to_owned(),
        "audio/wav" | "audio/x-wav" | "audio/wave" => "wav".to_owned(),
        other => other.strip_prefix("audio/").unwrap_or(other).to_owned(),
    }
}

/// A media type guessed from the end of a URL's path, where a dialect wants one.
pub(crate) fn media_of_url(url: &str) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let end = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    match end.as_str() {
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "mp4" => "video/mp4",
        "txt" => "text/plain",
        _ => "image/jpeg",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_urls_hold_their_content() {
        let source = from_url("data:image/png;base64,AAA-_w", "u").expect("a source");
        assert_eq!(source, Source::Base64 { media: "image/png".to_owned(), data: "AAA+/w==".to_owned() });
        assert_eq!(from_url("https://x/a.png", "u"), Ok(Source::Url("https://x/a.png".to_owned())));
        assert!(from_url("data:text/plain,hi", "u").is_err());
        assert!(from_url("data:nothing", "u").is_err());
        assert!(from_url("", "u").is_err());
    }

    #[test]
    fn media_types_are_guessed_from_the_path_only() {
        assert_eq!(media_of_url("https://x/a.PNG?b=.pdf"), "image/png");
        assert_eq!(media_of_url("https://x/a"), "image/jpeg");
        assert_eq!((audio_media("mp3").as_str(), audio_format("audio/x-wav").as_str()), ("audio/mpeg", "wav"));
    }
}
