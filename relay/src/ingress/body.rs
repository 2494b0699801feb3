//! Request bodies: read within limits of size and patience, and decompressed within limits.
//!
//! Nothing here looks at what a body says.

use std::fmt;
use std::io::Read;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;

/// The slowest that a body may come in the long run, in bytes a second.
const PACE: u64 = 1_000;
/// Bodies that are packed and larger than this are unpacked off the threads that serve.
const INLINE: usize = 32 << 10;

/// Why a body was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyFault {
    /// It is larger than this, as sent or unpacked.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// It is packed in a way that is not known here.
    Encoding(String),
    /// It does not unpack.
    Broken,
    /// The client stopped sending.
    Slow,
    /// The connection ended within it.
    Cut,
}

impl BodyFault {
    /// The HTTP status that says so.
    pub const fn status(&self) -> u16 {
        match self {
            Self::TooLarge { .. } => 413,
            Self::Encoding(_) => 415,
            Self::Broken | Self::Cut => 400,
            Self::Slow => 408,
        }
    }
}

impl fmt::Display for BodyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "The request body is larger than {limit} bytes."),
            Self::Encoding(name) => {
                write!(f, "The content encoding '{name}' is not supported; send gzip, deflate, zstd or no encoding.")
            }
            Self::Broken => f.write_str("The request body cannot be decompressed."),
            Self::Slow => f.write_str("The request body did not arrive in time."),
            Self::Cut => f.write_str("The request body ended early."),
        }
    }
}

/// What a body may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most bytes, sent or unpacked.
    pub size: usize,
    /// The longest silence in the middle of it.
    pub patience: Duration,
}

/// Reads a whole body. `headers` lose their `content-encoding` when it was undone.
pub async fn read(body: axum::body::Body, headers: &mut HeaderMap, bounds: Bounds) -> Result<Bytes, BodyFault> {
    let limit = bounds.size;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(BodyFault::TooLarge { limit });
    }
    let codings = codings(headers)?;
    let packed = collect(body, bounds, announced).await?;
    if codings.is_empty() {
        return Ok(packed);
    }
    headers.remove(header::CONTENT_ENCODING);
    if packed.len() <= INLINE {
        return unpack(packed, &codings, limit);
    }
    tokio::task::spawn_blocking(move || unpack(packed, &codings, limit)).await.unwrap_or(Err(BodyFault::Broken))
}

async fn collect(mut body: axum::body::Body, bounds: Bounds, announced: Option<u64>) -> Result<Bytes, BodyFault> {
    let Bounds { size: limit, patience } = bounds;
    let began = Instant::now();
    let Some(first) = next(&mut body, patience).await? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(BodyFault::TooLarge { limit });
    }
    // Most bodies come in one piece, which then is not copied.
    let Some(second) = next(&mut body, patience).await? else { return Ok(first) };
    let room =
        announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(first.len() * 2).min(limit).min(4 << 20);
    let mut all = BytesMut::with_capacity(room.max(first.len() + second.len()));
    all.extend_from_slice(&first);
    let mut chunk = second;
    loop {
        if all.len() + chunk.len() > limit {
            return Err(BodyFault::TooLarge { limit });
        }
        all.extend_from_slice(&chunk);
        // Who sends a byte now and then is never silent, and never done.
        if began.elapsed() > patience + Duration::from_millis(all.len() as u64 * 1_000 / PACE) {
            return Err(BodyFault::Slow);
        }
        match next(&mut body, patience).await? {
            Some(more) => chunk = more,
            None => return Ok(all.freeze()),
        }
    }
}

async fn next(body: &mut axum::body::Body, patience: Duration) -> Result<Option<Bytes>, BodyFault> {
    loop {
        if hyper::body::Body::is_end_stream(body) {
            return Ok(None);
        }
        let frame = tokio::time::timeout(patience, body.frame()).await.map_err(|_| BodyFault::Slow)?;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => return Err(BodyFault::Cut),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data()
                    && !data.is_empty()
                {
                    return Ok(Some(data));
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Zstd,
}

/// The codings in the order in which they were laid on.
fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, BodyFault> {
    let mut found = Vec::new();
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let text = value.to_str().map_err(|_| BodyFault::Encoding("?".into()))?;
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word.to_ascii_lowercase().as_str() {
                "identity" => {}
                "gzip" | "x-gzip" => found.push(Coding::Gzip),
                "deflate" => found.push(Coding::Deflate),
                "zstd" => found.push(Coding::Zstd),
                _ => return Err(BodyFault::Encoding(word.chars().take(40).collect())),
            }
        }
    }
    // More than two are nobody's honest request.
    if found.len() > 2 {
        return Err(BodyFault::Encoding("more than two codings".into()));
    }
    Ok(found)
}

fn unpack(packed: Bytes, codings: &[Coding], limit: usize) -> Result<Bytes, BodyFault> {
    let mut body = packed;
    for coding in codings.iter().rev() {
        body = match coding {
            Coding::Gzip => drain(flate2::read::MultiGzDecoder::new(&body[..]), limit)?,
            Coding::Deflate => drain(flate2::read::ZlibDecoder::new(&body[..]), limit)?,
            Coding::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(&body[..]).map_err(|_| BodyFault::Broken)?;
                // A frame may ask for a window of gigabytes; no honest client does.
                decoder.window_log_max(27).map_err(|_| BodyFault::Broken)?;
                drain(decoder, limit)?
            }
        };
    }
    Ok(body)
}

fn drain(reader: impl Read, limit: usize) -> Result<Bytes, BodyFault> {
    let mut out = Vec::new();
    reader.take(limit as u64 + 1).read_to_end(&mut out).map_err(|_| BodyFault::Broken)?;
    if out.len() > limit {
        return Err(BodyFault::TooLarge { limit });
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use axum::body::Body;
    use http::HeaderValue;

    use super::*;

    const fn bounds(size: usize) -> Bounds {
        Bounds { size, patience: Duration::from_secs(30) }
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn encoded(name: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        headers
    }

    #[tokio::test]
    async fn packed_bodies_are_unpacked_once() {
        let text = b"{\"model\":\"m\"}".as_slice();
        let zstd = zstd::encode_all(text, 1).unwrap();
        let both = gzip(&zstd);
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(text).unwrap();
        for (name, packed) in [
            ("gzip", gzip(text)),
            ("zstd", zstd),
            ("zstd, gzip", both),
            ("deflate", zlib.finish().unwrap()),
            ("identity", text.to_vec()),
        ] {
            let mut headers = encoded(name);
            let body = read(Body::from(packed), &mut headers, bounds(1024)).await.unwrap();
            assert_eq!(&body[..], text, "{name}");
            assert_eq!(headers.contains_key(header::CONTENT_ENCODING), name == "identity", "{name}");
        }
    }

    #[tokio::test]
    async fn limits_hold_before_and_after_unpacking() {
        let zeros = vec![0u8; 1 << 20];
        let mut announced = HeaderMap::new();
        announced.insert(header::CONTENT_LENGTH, HeaderValue::from_static("2000"));
        assert_eq!(read(Body::empty(), &mut announced, bounds(1000)).await, Err(BodyFault::TooLarge { limit: 1000 }));
        assert_eq!(
            read(Body::from(zeros.clone()), &mut HeaderMap::new(), bounds(1000)).await,
            Err(BodyFault::TooLarge { limit: 1000 })
        );
        assert_eq!(
            read(Body::from(gzip(&zeros)), &mut encoded("gzip"), bounds(100_000)).await,
            Err(BodyFault::TooLarge { limit: 100_000 })
        );
        let bomb = zstd::encode_all(&zeros[..], 1).unwrap();
        assert_eq!(
            read(Body::from(bomb), &mut encoded("zstd"), bounds(100_000)).await,
            Err(BodyFault::TooLarge { limit: 100_000 })
        );
    }

    #[tokio::test]
    async fn nonsense_is_refused() {
        assert_eq!(read(Body::from("x"), &mut encoded("gzip"), bounds(10)).await, Err(BodyFault::Broken));
        assert_eq!(read(Body::from("x"), &mut encoded("br"), bounds(10)).await, Err(BodyFault::Encoding("br".into())));
        assert!(read(Body::from("x"), &mut encoded("gzip, gzip, gzip"), bounds(10)).await.is_err());
        let cut = futures_util::stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("gone"))]);
        assert_eq!(read(Body::from_stream(cut), &mut HeaderMap::new(), bounds(10)).await, Err(BodyFault::Cut));
        let parts = futures_util::stream::iter(
            ["ab", "", "cd", "ef"].map(|part| Ok::<_, std::io::Error>(Bytes::from_static(part.as_bytes()))),
        );
        assert_eq!(
            read(Body::from_stream(parts), &mut HeaderMap::new(), bounds(10)).await.as_deref(),
            Ok(b"abcdef".as_slice())
        );
    }
}
