//! What a model costs after tables of prices were put; pure.

use super::{Figures, Measure, Tables, Waiting, of_input};
use crate::error::{Error, Result};
use crate::model::catalog::{Category, Price, Rates};
use crate::service::price::ONE;

/// What is known of a model and its price.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub category: Category,
    /// The vendor's list.
    pub list: Option<&'a Price>,
    /// What it costs now.
    pub now: Option<&'a Price>,
}

impl Known<'_> {
    /// Of a model that nobody has heard of.
    pub const NOTHING: Self = Self { category: Category::Chat, list: None, now: None };

    /// By what a price of it stands in the table of calls, where it does.
    fn whole(&self, price: &Price) -> Option<Measure> {
        Some(Measure::of(price, self.category)).filter(|measure| measure.is_whole())
    }
    fn is_whole(&self, price: Option<&Price>) -> bool {
        price.is_some_and(|price| self.whole(price).is_some())
    }
    /// Whether a price takes nothing for what is told in tables.
    fn is_free(&self, price: &Price) -> bool {
        Measure::of(price, self.category).is_free(price)
    }
    /// Whether what the table of inputs says of it is the price of characters: where its price is, or the list's, or
    /// nothing else could be counted of what it makes.
    fn reads_out(&self, price: Option<&Price>) -> bool {
        let told = price.filter(|price| **price != Price::default()).or(self.list);
        match told {
            Some(price) => Measure::of(price, self.category) == Measure::Characters,
            None => self.category == Category::Speech,
        }
    }
    /// A price with another figure in the table of inputs. What has none begins again with the list's proportions.
    fn with_input(&self, price: Option<Price>, figure: i64) -> Price {
        let characters = self.reads_out(price.as_ref());
        let price = price.or_else(|| self.list.filter(|list| self.whole(list).is_none()).cloned());
        if characters { Price { characters: figure, ..price.unwrap_or_default() } } else { with_input(price, figure) }
    }
}

/// What the administrators say of a model's price from now on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// What they said before.
    Same,
    /// Nothing: the vendor's list holds.
    Listed,
    /// That it has none, whatever the list says.
    Withdrawn,
    Price(Box<Price>),
}

/// Lays tables over the price of a model.
pub(super) fn own(name: &str, known: Known<'_>, tables: &Tables, waiting: &mut Waiting) -> Result<Own> {
    let Known { list, now, .. } = known;
    let mut price = now.cloned();
    if let Some(calls) = &tables.calls {
        price = paid_whole(name, known, price, figure(calls, name)?, waiting);
    }
    let free_by_call = waiting.free.contains(name) && price.as_ref().is_some_and(|price| known.is_free(price));
    let by_call = free_by_call || known.is_whole(price.as_ref());
    if let Some(table) = &tables.input {
        waiting.input.remove(name);
        match figure(table, name)? {
            Some(rate) if by_call => {
                waiting.input.insert(name.to_owned(), rate);
            }
            Some(rate) => price = Some(known.with_input(price, rate)),
            None if by_call => {}
            None => {
                if let Some(gone) = price.take() {
                    ratios_wait(name, (list, &gone), waiting);
                }
            }
        }
    } else if !by_call && let Some(rate) = waiting.input.remove(name) {
        price = Some(known.with_input(price, rate));
    }
    let by_tokens = price.as_ref().is_some_and(|p| p.rates.input > 0);
    if let Some(table) = &tables.output {
        waiting.output.remove(name);
        match figure(table, name)? {
            Some(ratio) if !by_tokens => {
                // A model without a price of its input has, by the table, the ratio one.
                if price.is_none() || ratio != ONE {
                    waiting.output.insert(name.to_owned(), ratio);
                }
            }
            Some(ratio) => price = price.map(|p| with_output(p, ratio)),
            None if !by_tokens => {}
            None => price = price.map(|p| with_output(p, listed_output(list))),
        }
    } else if by_tokens && let Some(ratio) = waiting.output.remove(name) {
        price = price.map(|p| with_output(p, ratio));
    }
    if let Some(table) = &tables.cache_read {
        waiting.cache_read.remove(name);
        match figure(table, name)? {
            Some(ratio) if !by_tokens => {
                if price.is_none() || ratio != ONE {
                    waiting.cache_read.insert(name.to_owned(), ratio);
                }
            }
            Some(ratio) => price = price.map(|p| with_cache_read(p, Some(ratio))),
            None if !by_tokens => {}
            None => price = price.map(|p| with_cache_read(p, None)),
        }
    } else if by_tokens && let Some(ratio) = waiting.cache_read.remove(name) {
        price = price.map(|p| with_cache_read(p, Some(ratio)));
    }
    Ok(match price {
        same if same.as_ref() == now => Own::Same,
        None if list.is_none() => Own::Listed,
        None => Own::Withdrawn,
        Some(price) if Some(&price) == list => Own::Listed,
        Some(price) => Own::Price(Box::new(price)),
    })
}

/// The output's ratio that the list has for a model paid by tokens.
fn listed_output(list: Option<&Price>) -> i64 {
    list.filter(|p| p.rates.input > 0).map_or(ONE, |p| of_input(p.rates.output, p))
}

/// The ratios of a price that goes stay in tables of their own, but for those that the list brings back by itself.
fn ratios_wait(name: &str, (list, gone): (Option<&Price>, &Price), waiting: &mut Waiting) {
    if gone.rates.input == 0 {
        return;
    }
    let output = of_input(gone.rates.output, gone);
    if output != listed_output(list) {
        waiting.output.insert(name.to_owned(), output);
    }
    let read = |p: &Price| Some(of_input(p.rates.cache_read?, p));
    let listed = list.filter(|p| p.rates.input > 0).and_then(read);
    if let Some(ratio) = read(gone).filter(|ratio| Some(*ratio) != listed) {
        waiting.cache_read.insert(name.to_owned(), ratio);
    }
}

/// What a table says of a model; nothing costs less than nothing.
fn figure(table: &Figures, name: &str) -> Result<Option<i64>> {
    match table.get(name) {
        Some(n) if *n < 0 => Err(Error::invalid("prices", format!("{name}: a price is not below nothing"))),
        found => Ok(found.copied()),
    }
}

/// What the table of calls makes of a price. One that is paid by tokens stays in the tables of tokens meanwhile, and
/// holds again once this one no longer names the model.
fn paid_whole(
    name: &str,
    known: Known<'_>,
    price: Option<Price>,
    figure: Option<i64>,
    waiting: &mut Waiting,
) -> Option<Price> {
    let now = price.as_ref().and_then(|price| known.whole(price));
    let free = waiting.free.remove(name) && price.as_ref().is_some_and(|price| known.is_free(price));
    let Some(figure) = figure else { return price.filter(|_| now.is_none() && !free) };
    if figure == 0 {
        waiting.free.insert(name.to_owned());
        if free {
            return price;
        }
    }
    if let (Some(measure), Some(price)) = (now, &price) {
        return Some(if measure.figure(price) == figure { price.clone() } else { measure.with(price.clone(), figure) });
    }
    // What was free and is free by the call has nothing that could hold again.
    let stays = |gone: &&Price| !(free || figure == 0 && known.is_free(gone));
    if let Some(gone) = price.as_ref().filter(stays) {
        ratios_wait(name, (known.list, gone), waiting);
        waiting.input.insert(name.to_owned(), Measure::of(gone, known.category).figure(gone));
    }
    // The list says by what it is paid, where it is not by tokens.
    let listed = known.list.and_then(|list| Some((known.whole(list)?, list)));
    Some(match listed {
        Some((measure, list)) if measure.figure(list) == figure => list.clone(),
        Some((measure, list)) => measure.with(list.clone(), figure),
        None => Measure::Calls.with(Price::default(), figure),
    })
}

/// `n` times `to` over `of`, rounded.
fn part(n: i64, to: i64, of: i64) -> i64 {
    let (n, to, of) = (i128::from(n), i128::from(to), i128::from(of).max(1));
    i64::try_from((n * to + of / 2) / of).unwrap_or(i64::MAX)
}

/// The price with another rate of its input; everything that is paid by tokens keeps its proportion to it.
fn with_input(price: Option<Price>, rate: i64) -> Price {
    let mut price = price.unwrap_or_default();
    let old = price.rates.input;
    if old == rate {
        return price;
    }
    if old == 0 {
        price.rates = Rates { input: rate, output: rate, ..Rates::default() };
        price.long.clear();
        (price.priority, price.flex) = (None, None);
        return price;
    }
    let scale = |n: i64| part(n, rate, old);
    let all = |rates: Rates| Rates {
        input: scale(rates.input),
        output: scale(rates.output),
        cache_read: rates.cache_read.map(scale),
        cache_write_5m: rates.cache_write_5m.map(scale),
        cache_write_1h: rates.cache_write_1h.map(scale),
    };
    price.rates = all(price.rates);
    for step in &mut price.long {
        step.rates = all(step.rates);
    }
    (price.priority, price.flex) = (price.priority.map(all), price.flex.map(all));
    for apart in [
        &mut price.reasoning,
        &mut price.audio_input,
        &mut price.audio_output,
        &mut price.image_input,
        &mut price.image_output,
    ] {
        *apart = apart.map(scale);
    }
    price
}

/// The price with another ratio of its output; what is paid for reasoning, long input and other tiers follows.
fn with_output(mut price: Price, ratio: i64) -> Price {
    let old = of_input(price.rates.output, &price);
    if old == ratio {
        return price;
    }
    let follow = |output: i64, input: i64| if old == 0 { part(input, ratio, ONE) } else { part(output, ratio, old) };
    price.reasoning = price.reasoning.map(|n| follow(n, price.rates.input));
    for step in &mut price.long {
        step.rates.output = follow(step.rates.output, step.rates.input);
    }
    for tier in [&mut price.priority, &mut price.flex].into_iter().flatten() {
        tier.output = follow(tier.output, tier.input);
    }
    price.rates.output = part(price.rates.input, ratio, ONE);
    price
}

/// The price with another ratio of input from a cache, in every tier; `None` has it cost what other input costs.
fn with_cache_read(mut price: Price, ratio: Option<i64>) -> Price {
    let old = price.rates.cache_read.map(|read| of_input(read, &price));
    if old == ratio {
        return price;
    }
    let set = |rates: &mut Rates| rates.cache_read = ratio.map(|ratio| part(rates.input, ratio, ONE));
    set(&mut price.rates);
    for step in &mut price.long {
        set(&mut step.rates);
    }
    [&mut price.priority, &mut price.flex].into_iter().flatten().for_each(set);
    price
}
