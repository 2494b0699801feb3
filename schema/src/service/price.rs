//! What a call costs: a pure function of what was counted and a price. Rounded once, at the end.

mod import;
mod name;

use crate::model::catalog::{Price, Rates};
use crate::money::{MAX, Micros};

pub use import::{Imported, defaults, read};
pub use name::{spellings, undated};

/// One, in millionths: the ratio that changes nothing.
pub const ONE: i64 = 1_000_000;

/// The service tier a call was served in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tier {
    #[default]
    Standard,
    Priority,
    Flex,
}

/// What was counted of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Units {
    /// Input tokens that were neither read from nor written to a cache.
    pub input: i64,
    pub cache_read: i64,
    pub cache_write_5m: i64,
    pub cache_write_1h: i64,
    /// Output tokens, everything included.
    pub output: i64,
    /// The part of the output that was reasoning.
    pub reasoning: i64,
    /// The part of the input that was sound.
    pub audio_input: i64,
    /// The part of the output that was sound.
    pub audio_output: i64,
    /// The part of the input that was pictures.
    pub image_input: i64,
    /// The part of the output that was pictures.
    pub image_output: i64,
    /// Characters read out.
    pub characters: i64,
    /// Length of sound or film.
    pub milliseconds: i64,
    /// Pictures made.
    pub images: i64,
    /// Searches of the web.
    pub searches: i64,
    /// Calls; 1, but for tasks that count several.
    pub calls: i64,
    pub tier: Tier,
}

impl Default for Units {
    fn default() -> Self {
        Self {
            input: 0,
            cache_read: 0,
            cache_write_5m: 0,
            cache_write_1h: 0,
            output: 0,
            reasoning: 0,
            audio_input: 0,
            audio_output: 0,
            image_input: 0,
            image_output: 0,
            characters: 0,
            milliseconds: 0,
            images: 0,
            searches: 0,
            calls: 1,
            tier: Tier::Standard,
        }
    }
}

impl Units {
    /// Everything that went in, cached or not; what long prices are decided by.
    pub fn whole_input(&self) -> i64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write_5m)
            .saturating_add(self.cache_write_1h)
    }
}

/// What a call cost: by the vendor's list, and as it is billed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub raw: Micros,
    pub billed: Micros,
}

/// The cost of a call, `ratio` in millionths.
pub fn cost(price: &Price, units: &Units, ratio: i64) -> Cost {
    // In thousand-millionths of a micro-dollar, so that nothing is rounded before the end.
    let total = sum(price, units);
    let ratio = i128::from(ratio.max(0));
    Cost { raw: rounded(total, 1_000_000_000), billed: rounded(total.saturating_mul(ratio), 1_000_000_000_000_000) }
}

fn sum(price: &Price, units: &Units) -> i128 {
    let rates = rates(price, units);
    // A part never exceeds its whole, whatever a vendor reports.
    let part = |n: i64, whole: i64| n.clamp(0, whole.max(0));
    let audio_in = price.audio_input.map_or(0, |_| part(units.audio_input, units.input));
    let image_in = price.image_input.map_or(0, |_| part(units.image_input, units.input - audio_in));
    let audio_out = price.audio_output.map_or(0, |_| part(units.audio_output, units.output));
    let image_out = price.image_output.map_or(0, |_| part(units.image_output, units.output - audio_out));
    let left = units.output - audio_out - image_out;
    let reasoning = price.reasoning.map_or(0, |_| part(units.reasoning, left));
    let tokens = [
        (units.input - audio_in - image_in, rates.input),
        (audio_in, price.audio_input.unwrap_or(rates.input)),
        (image_in, price.image_input.unwrap_or(rates.input)),
        (units.cache_read, rates.cache_read.unwrap_or(rates.input)),
        (units.cache_write_5m, rates.cache_write_5m.unwrap_or(rates.input)),
        (units.cache_write_1h, rates.cache_write_1h.or(rates.cache_write_5m).unwrap_or(rates.input)),
        (left - reasoning, rates.output),
        (reasoning, price.reasoning.unwrap_or(rates.output)),
        (audio_out, price.audio_output.unwrap_or(rates.output)),
        (image_out, price.image_output.unwrap_or(rates.output)),
        (units.characters, price.characters),
        (units.images, price.images),
        (units.searches, price.searches),
        (units.calls, price.calls),
    ];
    let product = |n: i64, rate: i64| i128::from(n.max(0)) * i128::from(rate.max(0));
    let whole: i128 = tokens.iter().map(|(n, rate)| product(*n, *rate)).sum();
    whole.saturating_mul(1_000).saturating_add(product(units.milliseconds, price.seconds))
}

/// The rates that hold for this call: those of its length, or else of its tier.
fn rates(price: &Price, units: &Units) -> Rates {
    let input = units.whole_input();
    if let Some(steps) = price.long.iter().rev().find(|s| input > s.above) {
        return steps.rates;
    }
    match units.tier {
        Tier::Standard => price.rates,
        Tier::Priority => price.priority.unwrap_or(price.rates),
        Tier::Flex => price.flex.unwrap_or(price.rates),
    }
}

fn rounded(total: i128, divisor: i128) -> Micros {
    let micros = (total.saturating_add(divisor / 2)) / divisor;
    Micros(i64::try_from(micros).unwrap_or(MAX).clamp(0, MAX))
}

/// A ratio in millionths from a figure such as `1.5`; nothing below zero, nothing beyond a thousand.
pub fn ratio(figure: f64) -> i64 {
    if figure.is_finite() { (figure * ONE as f64).round().clamp(0.0, 1e9) as i64 } else { ONE }
}

/// Two ratios, one after the other.
pub fn times(one: i64, other: i64) -> i64 {
    let product = i128::from(one) * i128::from(other) / i128::from(ONE);
    i64::try_from(product).unwrap_or(i64::MAX)
}

/// What a call could cost at most, for reserving: this input, that much output, nothing from a cache.
pub fn estimate(price: &Price, input: i64, max_output: i64, ratio: i64) -> Micros {
    cost(price, &Units { input, output: max_output, ..Units::default() }, ratio).billed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priced(name: &str) -> Price {
        let all = defaults().expect("the built-in prices");
        let found = all.into_iter().find(|m| m.name == name).expect(name);
        found.price.expect("a price")
    }

    fn raw(name: &str, units: Units) -> i64 {
        cost(&priced(name), &units, ONE).raw.0
    }

    #[test]
    fn known_calls_cost_what_the_vendors_say() {
        let zero = Units::default();
        for (name, units, micros) in [
            // 36 + 135 + 7.5 + 6 + 1.5
            (
                "claude-sonnet-4-5-20250929",
                Units { input: 12, output: 9, cache_write_5m: 2, cache_write_1h: 1, cache_read: 5, ..zero },
                186,
            ),
            ("claude-sonnet-4-5-20250929", Units { input: 200_000, output: 1_000, ..zero }, 615_000),
            // The whole call is long, not just what lies beyond.
            ("claude-sonnet-4-5-20250929", Units { input: 200_001, output: 1_000, ..zero }, 1_222_506),
            ("claude-sonnet-4-5-20250929", Units { input: 1, cache_read: 200_000, ..zero }, 120_006),
            ("claude-opus-4-1-20250805", Units { input: 1_000, output: 1_000, ..zero }, 90_000),
            ("gpt-4o", Units { input: 500, cache_read: 500, output: 100, ..zero }, 1_250 + 625 + 1_000),
            ("gpt-5", Units { input: 1_000, output: 100, tier: Tier::Priority, ..zero }, 2_500 + 2_000),
            ("gpt-5", Units { input: 1_000, output: 100, tier: Tier::Flex, ..zero }, 625 + 500),
            // No priority price is known: the usual one.
            ("gpt-4o", Units { input: 1_000, tier: Tier::Priority, ..zero }, 2_500),
            (
                "gpt-4o-audio-preview",
                Units { input: 1_000, audio_input: 400, output: 50, audio_output: 50, ..zero },
                600 * 5 / 2 + 400 * 40 + 50 * 80,
            ),
            (
                "gpt-image-1",
                Units { input: 100, image_input: 50, output: 1_000, image_output: 1_000, ..zero },
                50 * 5 + 50 * 10 + 40_000,
            ),
            ("dall-e-3", Units { images: 2, ..zero }, 80_000),
            ("tts-1", Units { characters: 1_000, ..zero }, 15_000),
            ("whisper-1", Units { milliseconds: 60_000, ..zero }, 6_000),
            ("whisper-1", Units { milliseconds: 1_500, ..zero }, 150),
            ("text-embedding-3-small", Units { input: 1_000, ..zero }, 20),
            ("gemini-2.5-pro", Units { input: 200_001, output: 10, ..zero }, 500_153),
            ("mj_imagine", zero, 100_000),
            ("suno_music", Units { calls: 2, ..zero }, 200_000),
            ("sora-2", Units { milliseconds: 4_000, ..zero }, 400_000),
            ("rerank-v3.5", zero, 2_000),
            ("claude-haiku-4-5-20251001", Units { input: -5, output: 3, ..zero }, 15),
        ] {
            assert_eq!(raw(name, units), micros, "{name} {units:?}");
        }
    }

    #[test]
    fn a_ratio_is_applied_before_the_one_rounding() {
        let price = Price { rates: Rates { input: 500_000, ..Rates::default() }, ..Price::default() };
        let units = Units { input: 1, ..Units::default() };
        // Half a micro-dollar: rounded up alone, exact when doubled, nothing when nearly free.
        let billed = |r: f64| cost(&price, &units, ratio(r)).billed.0;
        assert_eq!((billed(1.0), billed(2.0), billed(0.5), billed(0.0), billed(3.0)), (1, 1, 0, 0, 2));
        assert_eq!(cost(&price, &units, ratio(2.0)).raw.0, 1, "the raw cost knows no ratio");
        assert_eq!(times(ratio(1.5), ratio(0.5)), ratio(0.75));
        assert_eq!((ratio(f64::NAN), ratio(-1.0), ratio(1e300)), (ONE, 0, 1_000_000_000));
    }

    #[test]
    fn parts_stay_inside_their_whole_and_sums_inside_64_bits() {
        let price = Price {
            rates: Rates { input: 1_000_000, output: 2_000_000, ..Rates::default() },
            reasoning: Some(4_000_000),
            audio_input: Some(10_000_000),
            ..Price::default()
        };
        let units = Units { input: 10, audio_input: 99, output: 10, reasoning: 4, ..Units::default() };
        assert_eq!(cost(&price, &units, ONE).raw.0, 100 + 12 + 16);
        let vast = Units { input: i64::MAX, output: i64::MAX, calls: i64::MAX, ..Units::default() };
        assert_eq!(cost(&price, &vast, i64::MAX).billed, Micros(MAX));
        assert_eq!(estimate(&price, 1_000, 1_000, ONE), Micros(3_000));
    }
}
