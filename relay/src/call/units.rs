//! What a call is counted in: guessed before it for the reservation, read after it from the vendor's figures,
//! counted here where the vendor gives none.

use bytes::Bytes;
use http::header;
use memchr::memmem;
use schema::model::usage::batch::Counts;
use schema::service::price::{Tier, Units};

use super::{Call, Content};
use crate::convert::edit::Body;
use crate::convert::estimate::{body_tokens, text_tokens};
use crate::convert::thoughts::MOST_TOGETHER;
use crate::convert::usage::Usage;
use crate::provider::{Dialect, Operation};
use crate::wire::multipart;

/// Output tokens that are held back for a call that names no limit.
const OUTPUT: i64 = 4_096;
/// Output tokens of one picture at its best quality, for models that count pictures in tokens.
const PICTURE: i64 = 4_160;
/// Bytes of a second of sound as it usually is compressed.
const SOUND: usize = 16_000;
/// Tokens of one exchange of a realtime session, either way.
const EXCHANGE: i64 = 4_000;

/// Seconds of film where a request does not say how many.
const FILM: i64 = 5;

/// What a request says about its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Input tokens, guessed.
    pub input: u64,
    /// The caller's limit on the output.
    pub max_output: Option<i64>,
    /// Whether the caller says how much is to be thought, which comes on top of an answer without a limit.
    pub thinks: bool,
    /// Characters to be read out.
    pub characters: i64,
    /// Pictures asked for.
    pub pictures: i64,
    /// Bytes of sound sent.
    pub sound: usize,
    /// Milliseconds of film asked for.
    pub film: i64,
    /// The service tier asked for.
    pub tier: Tier,
}

/// Looks at a request.
pub fn size(call: &Call) -> Size {
    match &call.content {
        Content::Json(body) => of_json(call, body),
        Content::Raw(bytes) => of_form(call, bytes),
        Content::Empty => Size::default(),
    }
}

fn of_json(call: &Call, body: &Body) -> Size {
    let number = |field: &str| body.u64(field).ok().flatten().and_then(|n| i64::try_from(n).ok());
    let nested = |outer: &str, inner: &str| {
        let object = body.object(outer).ok().flatten()?;
        object.u64(inner).ok().flatten().and_then(|n| i64::try_from(n).ok())
    };
    let text = |field: &str| body.str(field).ok().flatten();
    let mut size = Size { tier: tier(text("service_tier").as_deref()), ..Size::default() };
    match call.operation {
        Operation::Speak => {
            size.characters = text("input").map_or(0, |input| i64::try_from(input.chars().count()).unwrap_or(i64::MAX));
            return size;
        }
        Operation::ImageGenerate | Operation::ImageEdit | Operation::ImageVary => {
            size.pictures = number("n").unwrap_or(1).clamp(1, 100)
        }
        Operation::Submit => {
            if matches!(call.dialect, Dialect::Kling | Dialect::Video) {
                let told = ["duration", "seconds"]
                    .into_iter()
                    .find_map(|field| number(field).or_else(|| text(field).and_then(|n| n.trim().parse().ok())));
                size.film = told.unwrap_or(FILM).clamp(1, 3_600) * 1_000;
            }
            return size;
        }
        _ => {}
    }
    size.input = body_tokens(body.bytes());
    size.max_output = match call.dialect {
        Dialect::Chat => number("max_completion_tokens").or_else(|| number("max_tokens")),
        Dialect::Responses => number("max_output_tokens"),
        Dialect::Gemini => {
            nested("generationConfig", "maxOutputTokens").or_else(|| nested("generation_config", "max_output_tokens"))
        }
        Dialect::Converse => nested("inferenceConfig", "maxTokens"),
        _ => number("max_tokens"),
    };
    size.thinks = thinks(call.dialect, body);
    size
}

fn thinks(dialect: Dialect, body: &Body) -> bool {
    if dialect == Dialect::Gemini {
        return ["generationConfig", "generation_config"].into_iter().any(|outer| {
            let config = body.object(outer).ok().flatten();
            config.is_some_and(|config| config.has("thinkingConfig") || config.has("thinking_config"))
        });
    }
    let effort = body.str("reasoning_effort").ok().flatten().is_some_and(|effort| effort != "none");
    effort || body.has("reasoning") || body.has("thinking")
}

/// A text in the form that a call sent.
pub fn field<'a>(call: &Call, form: &'a [u8], name: &str) -> Option<&'a str> {
    let kind = call.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    multipart::text(form, multipart::boundary(kind)?, name)
}

fn of_form(call: &Call, bytes: &Bytes) -> Size {
    let prompt = field(call, bytes, "prompt").map_or(0, text_tokens);
    match call.operation {
        Operation::Transcribe | Operation::Translate => Size { input: prompt, sound: bytes.len(), ..Size::default() },
        _ => Size {
            input: prompt,
            pictures: field(call, bytes, "n").and_then(|n| n.trim().parse().ok()).unwrap_or(1).clamp(1, 100),
            ..Size::default()
        },
    }
}

fn tier(word: Option<&str>) -> Tier {
    match word {
        Some("priority") => Tier::Priority,
        Some("flex") => Tier::Flex,
        _ => Tier::Standard,
    }
}

/// What a call may come to, for the reservation. `most` is the model's own limit on its output.
pub fn guess(operation: Operation, size: &Size, most: Option<i64>) -> Units {
    let input = whole(size.input);
    let none = Units { tier: size.tier, ..Units::default() };
    match operation {
        Operation::Generate | Operation::Complete | Operation::Compact => {
            let usual = if size.thinks { whole(MOST_TOGETHER) } else { OUTPUT };
            let asked = size.max_output.unwrap_or(usual).max(0);
            Units { input, output: most.map_or(asked, |most| asked.min(most.max(0))), ..none }
        }
        Operation::ImageGenerate | Operation::ImageEdit | Operation::ImageVary => {
            let output = size.pictures * PICTURE;
            Units { input, output, image_output: output, images: size.pictures, ..none }
        }
        Operation::Speak => Units { characters: size.characters, ..none },
        Operation::Transcribe | Operation::Translate => Units { input, milliseconds: milliseconds(size.sound), ..none },
        Operation::Realtime => Units { input: EXCHANGE, output: EXCHANGE, ..none },
        Operation::Embed | Operation::EmbedBatch | Operation::Rerank | Operation::Moderate => Units { input, ..none },
        // A task is paid when it is taken, by what was asked for.
        Operation::Submit => Units { milliseconds: size.film, ..none },
        _ => Units { calls: 0, ..none },
    }
}

/// What a call came to. `counted` is the vendor's usage; what it leaves out is taken from the request and the
/// answer. The flag says whether anything had to be guessed.
pub fn count(operation: Operation, size: &Size, counted: Option<Usage>, answer: &[u8]) -> (Units, bool) {
    let mut units = Units { tier: size.tier, ..counted.map_or_else(Units::default, units) };
    let mut guessed = counted.is_some_and(|usage| usage.estimated);
    match operation {
        Operation::Speak => units.characters = size.characters,
        Operation::Transcribe | Operation::Translate if units.milliseconds == 0 => {
            let told = duration(answer);
            // A vendor that counts tokens needs no minutes, and one that tells minutes needs no guess.
            if told.is_some() || counted.is_none() {
                units.milliseconds = told.unwrap_or_else(|| milliseconds(size.sound));
            }
            guessed |= told.is_none() && counted.is_none();
        }
        Operation::ImageGenerate | Operation::ImageEdit | Operation::ImageVary if units.images == 0 => {
            units.images = pictures(answer)
        }
        Operation::Embed | Operation::EmbedBatch | Operation::Rerank if counted.is_none() => {
            units.input = whole(size.input);
            guessed = true;
        }
        Operation::CountTokens
        | Operation::Moderate
        | Operation::Stored
        | Operation::Side
        | Operation::ListModels
        | Operation::GetModel => {
            return (Units { calls: 0, ..Units::default() }, false);
        }
        Operation::Generate | Operation::Complete | Operation::Compact if counted.is_none() => {
            units.input = whole(size.input);
            units.output = whole(body_tokens(answer));
            guessed = true;
        }
        // Some gateways fill the field in with nothing.
        Operation::Generate | Operation::Complete | Operation::Compact if units.whole_input() == 0 => {
            units.input = whole(size.input);
            guessed |= units.input > 0;
        }
        _ => {}
    }
    (units, guessed)
}

/// The vendor's figures as units.
pub fn units(usage: Usage) -> Units {
    Units {
        input: whole(usage.input),
        cache_read: whole(usage.cache_read),
        cache_write_5m: whole(usage.cache_write_5m),
        cache_write_1h: whole(usage.cache_write_1h),
        output: whole(usage.output),
        reasoning: whole(usage.reasoning),
        audio_input: whole(usage.audio_in),
        audio_output: whole(usage.audio_out),
        image_input: whole(usage.image_in),
        image_output: whole(usage.image_out),
        milliseconds: whole(usage.audio_ms),
        images: whole(usage.images),
        searches: whole(usage.searches),
        ..Units::default()
    }
}

/// The units as the books keep them.
pub fn counts(units: &Units) -> Counts {
    let spoken = units.audio_input + units.audio_output;
    Counts {
        input: units.input,
        cache_read: units.cache_read,
        cache_write_5m: units.cache_write_5m,
        cache_write_1h: units.cache_write_1h,
        output: units.output,
        reasoning: units.reasoning,
        audio: if spoken > 0 { spoken } else { units.milliseconds },
        images: units.images,
    }
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn milliseconds(sound: usize) -> i64 {
    i64::try_from(sound.saturating_mul(1_000) / SOUND).unwrap_or(i64::MAX)
}

/// The length that a verbose transcript tells, in milliseconds.
fn duration(answer: &[u8]) -> Option<i64> {
    let body = Body::scan(Bytes::copy_from_slice(answer)).ok()?;
    let seconds: f64 = body.get("duration", "a number").ok().flatten()?;
    (seconds.is_finite() && (0.0..1e7).contains(&seconds)).then_some((seconds * 1_000.0).round() as i64)
}

/// How many pictures an answer holds.
fn pictures(answer: &[u8]) -> i64 {
    let found = memmem::find_iter(answer, b"\"b64_json\"").count() + memmem::find_iter(answer, b"\"url\"").count();
    i64::try_from(found).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guess_covers_what_may_come() {
        let size = Size { input: 1_000, max_output: Some(9_000), ..Size::default() };
        let guessed = guess(Operation::Generate, &size, Some(8_000));
        assert_eq!((guessed.input, guessed.output, guessed.calls), (1_000, 8_000, 1));
        assert_eq!(guess(Operation::Generate, &Size::default(), None).output, OUTPUT);
        let thinking = Size { thinks: true, ..Size::default() };
        assert_eq!(guess(Operation::Generate, &thinking, None).output, whole(MOST_TOGETHER));
        assert_eq!(guess(Operation::Generate, &thinking, Some(8_000)).output, 8_000);
        assert_eq!(guess(Operation::Speak, &Size { characters: 12, ..Size::default() }, None).characters, 12);
        assert_eq!(
            guess(Operation::Transcribe, &Size { sound: 160_000, ..Size::default() }, None).milliseconds,
            10_000
        );
        assert_eq!(guess(Operation::CountTokens, &size, None), Units { calls: 0, ..Units::default() });
    }

    #[test]
    fn whoever_says_how_much_to_think_is_heard_in_every_dialect() {
        for (dialect, body, wanted) in [
            (Dialect::Chat, r#"{"reasoning_effort":"high"}"#, true),
            (Dialect::Chat, r#"{"reasoning_effort":"none"}"#, false),
            (Dialect::Chat, r#"{"messages":[]}"#, false),
            (Dialect::Responses, r#"{"reasoning":{"effort":"low"}}"#, true),
            (Dialect::Messages, r#"{"thinking":{"type":"adaptive"}}"#, true),
            (Dialect::Gemini, r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":9}}}"#, true),
            (Dialect::Gemini, r#"{"generationConfig":{"temperature":1}}"#, false),
        ] {
            let body = Body::scan(Bytes::from_static(body.as_bytes())).unwrap();
            assert_eq!(thinks(dialect, &body), wanted, "{:?}", body.bytes());
        }
    }

    #[test]
    fn the_vendors_figures_go_before_our_own() {
        let size = Size { input: 7, sound: 32_000, ..Size::default() };
        let told = Usage { input: 5, output: 3, ..Usage::default() };
        assert_eq!(
            count(Operation::Generate, &size, Some(told), b""),
            (Units { input: 5, output: 3, ..Units::default() }, false)
        );
        let (guessed, marked) = count(Operation::Generate, &size, None, b"\"abcdefgh\"");
        assert_eq!((guessed.input, guessed.output > 0, marked), (7, true, true));
        let empty = Usage { output: 3, ..Usage::default() };
        let (filled, marked) = count(Operation::Generate, &size, Some(empty), b"");
        assert_eq!((filled.input, filled.output, marked), (7, 3, true), "a prompt is never empty");
        let spoken = |counted, answer: &[u8]| {
            let (units, guessed) = count(Operation::Transcribe, &size, counted, answer);
            (units.milliseconds, guessed)
        };
        assert_eq!(spoken(None, br#"{"text":"x","duration":1.5}"#), (1_500, false));
        assert_eq!(spoken(None, br#"{"text":"x"}"#), (2_000, true));
        assert_eq!(spoken(Some(told), br#"{"text":"x"}"#), (0, false));
        assert_eq!(count(Operation::ImageGenerate, &size, None, br#"{"data":[{"url":"a"},{"url":"b"}]}"#).0.images, 2);
    }
}
