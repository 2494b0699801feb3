//! By what a price is counted that tables tell: tokens or characters in the table of inputs; calls, pictures or a
//! length of sound or film in the table of calls.

use crate::model::catalog::{Category, Price};

/// What a figure of a table is the price of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A million tokens of input; also where nothing costs anything.
    Tokens,
    /// A million characters that are read out.
    Characters,
    /// A million calls.
    Calls,
    /// A million pictures.
    Pictures,
    /// A million seconds of film.
    Seconds,
    /// A million minutes of sound, as vendors price it: a second costs next to nothing.
    Minutes,
}

impl Measure {
    /// By what a price of a model that makes this is told.
    pub fn of(price: &Price, category: Category) -> Self {
        if price.rates.input != 0 || price.rates.output != 0 {
            Self::Tokens
        } else if price.calls > 0 {
            Self::Calls
        } else if price.images > 0 {
            Self::Pictures
        } else if price.seconds > 0 {
            if category == Category::Transcription { Self::Minutes } else { Self::Seconds }
        } else if price.characters > 0 {
            Self::Characters
        } else {
            Self::Tokens
        }
    }

    /// Whether it stands in the table of calls.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Calls | Self::Pictures | Self::Seconds | Self::Minutes)
    }

    /// The figure of a price, in micro-dollars a million.
    pub fn figure(self, price: &Price) -> i64 {
        match self {
            Self::Tokens => price.rates.input,
            Self::Characters => price.characters,
            Self::Calls => price.calls,
            Self::Pictures => price.images,
            Self::Seconds => price.seconds,
            Self::Minutes => price.seconds.saturating_mul(60),
        }
    }

    /// Whether a price takes nothing for this.
    pub(super) fn is_free(self, price: &Price) -> bool {
        self.figure(price) == 0 && price.rates.output == 0
    }

    /// A price of the table of calls with another figure there.
    pub(super) fn with(self, price: Price, figure: i64) -> Price {
        match self {
            Self::Pictures => Price { images: figure, ..price },
            Self::Seconds => Price { seconds: figure, ..price },
            Self::Minutes => Price { seconds: figure.saturating_add(30) / 60, ..price },
            Self::Tokens | Self::Characters | Self::Calls => Price { calls: figure, ..Price::default() },
        }
    }
}
