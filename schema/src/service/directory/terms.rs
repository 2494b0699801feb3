//! Ratios and policies out of the settings, in the form in which calls use them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::MINUTE;
use crate::model::api_key::Service;
use crate::model::catalog::{Price, Rates};
use crate::service::admission::PersonLimits;
use crate::service::price::{ONE, ratio, times};
use crate::service::setting::{Settings, names};

use super::{KeyView, Owner};

/// What happens to calls of models without a price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unpriced {
    #[default]
    Refuse,
    Free,
}

/// No price is set for a model, and whoever asks for it does not take such models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPrice;

/// Ratios in millionths, and policies.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    groups: HashMap<String, i64>,
    users: HashMap<String, i64>,
    models: HashMap<String, i64>,
    services: HashMap<String, i64>,
    /// What a key of the group `auto` tries, in order.
    pub auto_groups: Vec<String>,
    pub unpriced: Unpriced,
    /// What models without a price cost those who take them while others are refused.
    pub unpriced_price: Price,
    /// Whether a key whose bound account cannot serve is sent to the shared ones.
    pub bound_fallback: bool,
    /// How many calls a person may make in so long, where that is limited; and other numbers of groups.
    person: Option<PersonLimits>,
    persons: HashMap<String, (i64, i64)>,
}

/// Terms and the settings they were read from.
#[derive(Default)]
pub(super) struct Kept {
    pub of: Arc<Settings>,
    pub terms: Arc<Terms>,
}

impl Kept {
    pub fn read(of: Arc<Settings>) -> Self {
        let terms = Arc::new(Terms::read(&of));
        Self { of, terms }
    }
}

/// A price of so much a million tokens, whichever way they go; sound, pictures and letters in the proportion newapi
/// has them to tokens.
fn guessed(rate: i64) -> Price {
    Price {
        rates: Rates { input: rate, output: rate, ..Rates::default() },
        // A thousand tokens a minute, 1250 a picture, one a letter.
        seconds: rate.saturating_mul(1_000) / 60,
        images: rate.saturating_mul(1_250),
        characters: rate,
        ..Price::default()
    }
}

/// Zero is no limit.
fn limit(n: i64) -> Option<i64> {
    (n > 0).then_some(n)
}

impl Terms {
    /// Out of the settings.
    pub fn read(settings: &Settings) -> Self {
        let ratios = |name: &str| {
            let figures: HashMap<String, serde_json::Value> = settings.json(name);
            figures.into_iter().filter_map(|(k, v)| Some((k, ratio(v.as_f64()?)))).collect()
        };
        let limited = settings.bool(names::CALLS_LIMITED);
        let person = PersonLimits {
            length_ms: settings.int(names::CALLS_LIMIT_MINUTES) * MINUTE,
            requests: limit(settings.int(names::CALLS_LIMIT)),
            served: limit(settings.int(names::CALLS_SERVED_LIMIT)),
        };
        Self {
            person: limited.then_some(person),
            persons: settings.json(names::CALLS_LIMIT_GROUPS),
            groups: ratios(names::GROUP_RATIOS),
            users: ratios(names::USER_RATIOS),
            models: ratios(names::MODEL_RATIOS),
            services: ratios(names::SERVICE_RATES),
            auto_groups: settings.json(names::AUTO_GROUPS),
            unpriced: if settings.text(names::UNPRICED_MODELS) == "free" { Unpriced::Free } else { Unpriced::Refuse },
            unpriced_price: guessed(settings.int(names::UNPRICED_RATE)),
            bound_fallback: settings.bool(names::BOUND_FALLBACK),
        }
    }
    /// How many calls a person may make who uses a group; nothing while that is not limited.
    pub fn person(&self, group: &str) -> Option<PersonLimits> {
        let common = self.person?;
        let limits = match self.persons.get(group) {
            Some((requests, served)) => PersonLimits { requests: limit(*requests), served: limit(*served), ..common },
            None => common,
        };
        (limits.requests.is_some() || limits.served.is_some()).then_some(limits)
    }
    /// What a call is charged by, `known` being the price of its model. A model without one is refused, free for
    /// everybody, or charged at the usual price to those who take such models.
    pub fn price(&self, owner: &Owner, known: Option<&Price>) -> Result<Option<Price>, NoPrice> {
        match (known, self.unpriced) {
            (Some(price), _) => Ok(Some(price.clone())),
            (None, Unpriced::Free) => Ok(None),
            (None, Unpriced::Refuse) if owner.takes_unpriced => Ok(Some(self.unpriced_price.clone())),
            (None, Unpriced::Refuse) => Err(NoPrice),
        }
    }
    /// The ratio of a user group.
    pub fn group(&self, group: &str) -> i64 {
        self.groups.get(group).copied().unwrap_or(ONE)
    }
    /// What multiplies the price of a call, in millionths: the group it is served in, the person, the model,
    /// the service, and the key's own rate for the service.
    pub fn ratio(&self, view: &KeyView, group: &str, model: &str, service: Service) -> i64 {
        let of = |map: &HashMap<String, i64>, name: &str| map.get(name).copied().unwrap_or(ONE);
        let service = service.as_str();
        let own = view.key.rules.service_rates.get(service).copied().unwrap_or(ONE);
        [of(&self.users, &view.owner.username), of(&self.models, model), of(&self.services, service), own]
            .into_iter()
            .fold(self.group(group), times)
    }
}
