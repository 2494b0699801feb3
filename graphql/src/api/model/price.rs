//! Prices: what the parts of a call cost.

use async_graphql::{InputObject, SimpleObject};
use schema::model::catalog as model;
use schema::money::Micros;

use crate::scalar::{BigInt, Decimal};

/// What tokens cost, in US dollars a million.
#[derive(SimpleObject, InputObject, Clone, Copy)]
#[graphql(input_name = "TokenRatesInput")]
pub struct TokenRates {
    /// Tokens sent.
    pub input: Decimal,
    /// Tokens received.
    pub output: Decimal,
    /// Tokens read from the vendor's cache; as the vendor's family has it when null.
    pub cache_read: Option<Decimal>,
    /// Tokens written to the vendor's cache for five minutes.
    #[graphql(name = "cacheWrite5m")]
    pub cache_write_5m: Option<Decimal>,
    /// Tokens written to the vendor's cache for an hour.
    #[graphql(name = "cacheWrite1h")]
    pub cache_write_1h: Option<Decimal>,
}

/// Rates that hold for the whole call once its input is longer.
#[derive(SimpleObject, InputObject, Clone, Copy)]
#[graphql(input_name = "PriceStepInput")]
pub struct PriceStep {
    /// Longer than so many tokens.
    pub above: BigInt,
    /// The rates.
    pub rates: TokenRates,
}

/// What a model costs. Rates are US dollars a million; prices of single things are US dollars a million of them too.
#[derive(SimpleObject, InputObject, Clone)]
#[graphql(input_name = "ModelPriceInput")]
pub struct ModelPrice {
    /// What tokens cost.
    pub rates: TokenRates,
    /// What they cost in longer calls, the lowest step first.
    #[graphql(default)]
    pub long: Vec<PriceStep>,
    /// What they cost in the vendor's faster tier.
    pub priority: Option<TokenRates>,
    /// What they cost in the vendor's slower tier.
    pub flex: Option<TokenRates>,
    /// Tokens of reasoning; as output when null.
    pub reasoning: Option<Decimal>,
    /// Tokens of sound sent.
    pub audio_input: Option<Decimal>,
    /// Tokens of sound received.
    pub audio_output: Option<Decimal>,
    /// Tokens of pictures sent.
    pub image_input: Option<Decimal>,
    /// Tokens of pictures received.
    pub image_output: Option<Decimal>,
    /// Characters.
    pub characters: Option<Decimal>,
    /// Seconds.
    pub seconds: Option<Decimal>,
    /// Pictures made.
    pub images: Option<Decimal>,
    /// Searches of the web.
    pub searches: Option<Decimal>,
    /// Calls.
    pub calls: Option<Decimal>,
}

fn shown(micros: i64) -> Decimal {
    Decimal(Micros(micros))
}

impl From<model::Rates> for TokenRates {
    fn from(r: model::Rates) -> Self {
        Self {
            input: shown(r.input),
            output: shown(r.output),
            cache_read: r.cache_read.map(shown),
            cache_write_5m: r.cache_write_5m.map(shown),
            cache_write_1h: r.cache_write_1h.map(shown),
        }
    }
}

impl From<TokenRates> for model::Rates {
    fn from(r: TokenRates) -> Self {
        let read = |d: Decimal| d.0.0;
        Self {
            input: read(r.input),
            output: read(r.output),
            cache_read: r.cache_read.map(read),
            cache_write_5m: r.cache_write_5m.map(read),
            cache_write_1h: r.cache_write_1h.map(read),
        }
    }
}

impl From<&model::Price> for ModelPrice {
    fn from(p: &model::Price) -> Self {
        let single = |micros: i64| (micros != 0).then(|| shown(micros));
        Self {
            rates: p.rates.into(),
            long: p.long.iter().map(|s| PriceStep { above: BigInt(s.above), rates: s.rates.into() }).collect(),
            priority: p.priority.map(Into::into),
            flex: p.flex.map(Into::into),
            reasoning: p.reasoning.map(shown),
            audio_input: p.audio_input.map(shown),
            audio_output: p.audio_output.map(shown),
            image_input: p.image_input.map(shown),
            image_output: p.image_output.map(shown),
            characters: single(p.characters),
            seconds: single(p.seconds),
            images: single(p.images),
            searches: single(p.searches),
            calls: single(p.calls),
        }
    }
}

impl From<ModelPrice> for model::Price {
    fn from(p: ModelPrice) -> Self {
        let read = |d: Decimal| d.0.0;
        let single = |d: Option<Decimal>| d.map_or(0, read);
        Self {
            rates: p.rates.into(),
            long: p.long.into_iter().map(|s| model::Steps { above: s.above.0, rates: s.rates.into() }).collect(),
            priority: p.priority.map(Into::into),
            flex: p.flex.map(Into::into),
            reasoning: p.reasoning.map(read),
            audio_input: p.audio_input.map(read),
            audio_output: p.audio_output.map(read),
            image_input: p.image_input.map(read),
            image_output: p.image_output.map(read),
            characters: single(p.characters),
            seconds: single(p.seconds),
            images: single(p.images),
            searches: single(p.searches),
            calls: single(p.calls),
        }
    }
}
