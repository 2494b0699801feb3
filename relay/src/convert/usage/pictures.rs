//! Counting the pictures in an images answer without keeping any of them.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How many elements of `data` are pictures.
#[derive(Default)]
pub(super) struct Pictures(pub(super) u64);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Picture {
    url: Option<IgnoredAny>,
    b64_json: Option<IgnoredAny>,
}

impl<'de> Deserialize<'de> for Pictures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Pictures;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("data of any kind")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pictures, A::Error> {
                let mut count = 0;
                while let Some(one) = seq.next_element::<MaybePicture>()? {
                    count += u64::from(one.0);
                }
                Ok(Pictures(count))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pictures, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Pictures(0))
            }
            fn visit_str<E>(self, _: &str) -> Result<Pictures, E> {
                Ok(Pictures(0))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Pictures, E> {
                Ok(Pictures(0))
            }
            fn visit_u64<E>(self, _: u64) -> Result<Pictures, E> {
                Ok(Pictures(0))
            }
            fn visit_i64<E>(self, _: i64) -> Result<Pictures, E> {
                Ok(Pictures(0))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Pictures, E> {
                Ok(Pictures(0))
            }
            fn visit_unit<E>(self) -> Result<Pictures, E> {
                Ok(Pictures(0))
            }
        }
        deserializer.deserialize_any(List)
    }
}

struct MaybePicture(bool);

impl<'de> Deserialize<'de> for MaybePicture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Picture(Picture),
            Other(IgnoredAny),
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Picture(picture) => Self(picture.url.is_some() || picture.b64_json.is_some()),
            Either::Other(_) => Self(false),
        })
    }
}
