//! Undoes, piece by piece, a packing that a vendor laid on although nobody asked for it.

use std::io::Write;

use bytes::Bytes;

use super::Broken;

/// One packing under way.
pub(super) enum Unpack {
    Gzip(Box<flate2::write::GzDecoder<Vec<u8>>>),
    Zlib(Box<flate2::write::ZlibDecoder<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Vec<u8>>>),
}

impl Unpack {
    /// The packing of that name: `Some(None)` where there is none, `None` where it is not known.
    #[expect(clippy::option_option, reason = "known, known to be nothing, and unknown are three answers")]
    pub(super) fn of(name: &[u8]) -> Option<Option<Self>> {
        match name.to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Some(None),
            b"gzip" | b"x-gzip" => Some(Some(Self::Gzip(Box::new(flate2::write::GzDecoder::new(Vec::new()))))),
            b"deflate" => Some(Some(Self::Zlib(Box::new(flate2::write::ZlibDecoder::new(Vec::new()))))),
            b"zstd" => {
                zstd::stream::write::Decoder::new(Vec::new()).ok().map(|decoder| Some(Self::Zstd(Box::new(decoder))))
            }
            _ => None,
        }
    }

    /// Takes a piece; what can be read by now comes out.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<Bytes, Broken> {
        let out = match self {
            Self::Gzip(decoder) => {
                decoder.write_all(piece).and_then(|()| decoder.flush()).map(|()| std::mem::take(decoder.get_mut()))
            }
            Self::Zlib(decoder) => {
                decoder.write_all(piece).and_then(|()| decoder.flush()).map(|()| std::mem::take(decoder.get_mut()))
            }
            Self::Zstd(decoder) => {
                decoder.write_all(piece).and_then(|()| decoder.flush()).map(|()| std::mem::take(decoder.get_mut()))
            }
        };
        out.map(Bytes::from).map_err(|_| Broken::Packed)
    }

    /// Whether the packing has come to its end; one that has not was cut.
    pub(super) fn is_complete(&mut self) -> bool {
        match self {
            Self::Gzip(decoder) => decoder.try_finish().is_ok(),
            Self::Zlib(decoder) => decoder.try_finish().is_ok(),
            // A frame's end cannot be asked for here; the vendor's own terminal event tells.
            Self::Zstd(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_out_as_they_come_in() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut pieces = Vec::new();
        for event in ["data: one\n\n", "data: two\n\n"] {
            encoder.write_all(event.as_bytes()).unwrap();
            encoder.flush().unwrap();
            pieces.push(std::mem::take(encoder.get_mut()));
        }
        encoder.try_finish().unwrap();
        pieces.push(std::mem::take(encoder.get_mut()));
        let mut unpack = Unpack::of(b"gzip").unwrap().unwrap();
        assert_eq!(unpack.feed(&pieces[0]).unwrap(), "data: one\n\n");
        assert_eq!(unpack.feed(&pieces[1]).unwrap(), "data: two\n\n");
        assert!(!unpack.is_complete() || pieces[2].is_empty());
        let mut again = Unpack::of(b"GZIP").unwrap().unwrap();
        for piece in &pieces {
            again.feed(piece).unwrap();
        }
        assert!(again.is_complete());
    }

    #[test]
    fn zstd_and_nonsense() {
        let packed = zstd::encode_all(&b"hello"[..], 1).unwrap();
        let mut unpack = Unpack::of(b"zstd").unwrap().unwrap();
        assert_eq!(unpack.feed(&packed).unwrap(), "hello");
        assert!(Unpack::of(b"br").is_none());
        assert!(Unpack::of(b"identity").unwrap().is_none());
        assert_eq!(Unpack::of(b"gzip").unwrap().unwrap().feed(b"no gzip at all"), Err(Broken::Packed));
    }
}
