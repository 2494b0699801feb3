//! What a model costs after tables of prices were put; pure.

use super::{Figures, Tables, Waiting, by_call, of_input};
use crate::error::{Error, Result};
use crate::model::catalog::{Price, Rates};
use crate::service::price::ONE;

/// The administrators' own price of a model from now on: `None` when it stays as it is, `Some(None)` when the vendor's
/// list holds again.
pub(super) fn own(
    name: &str,
    (list, now): (Option<&Price>, Option<&Price>),
    tables: &Tables,
    waiting: &mut Waiting,
) -> Result<Option<Option<Price>>> {
    let mut price = now.cloned();
    if let Some(calls) = &tables.calls {
        price = paid_by_call(price, list, figure(calls, name)?);
    }
    if let Some(table) = &tables.input {
        waiting.input.remove(name);
        match figure(table, name)? {
            Some(rate) if price.as_ref().is_some_and(by_call) => {
                waiting.input.insert(name.to_owned(), rate);
            }
            Some(rate) => price = Some(with_input(price, rate)),
            None if price.as_ref().is_some_and(by_call) => {}
            None => price = list.filter(|list| !by_call(list)).cloned(),
        }
    } else if !price.as_ref().is_some_and(by_call)
        && let Some(rate) = waiting.input.remove(name)
    {
        price = Some(with_input(price, rate));
    }
    let by_tokens = price.as_ref().is_some_and(|p| p.rates.input > 0);
    let standard = list.filter(|p| p.rates.input > 0);
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
            None => {
                let ratio = standard.map_or(ONE, |p| of_input(p.rates.output, p));
                price = price.map(|p| with_output(p, ratio));
            }
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
            None => {
                let ratio = standard.and_then(|p| Some(of_input(p.rates.cache_read?, p)));
                price = price.map(|p| with_cache_read(p, ratio));
            }
        }
    } else if by_tokens && let Some(ratio) = waiting.cache_read.remove(name) {
        price = price.map(|p| with_cache_read(p, Some(ratio)));
    }
    Ok(match price {
        same if same.as_ref() == now => None,
        listed if listed.as_ref() == list => Some(None),
        other => Some(other),
    })
}

/// What a table says of a model; nothing costs less than nothing.
fn figure(table: &Figures, name: &str) -> Result<Option<i64>> {
    match table.get(name) {
        Some(n) if *n < 0 => Err(Error::invalid("prices", format!("{name}: a price is not below nothing"))),
        found => Ok(found.copied()),
    }
}

fn paid_by_call(price: Option<Price>, list: Option<&Price>, each: Option<i64>) -> Option<Price> {
    match (price, each) {
        (Some(p), Some(each)) if by_call(&p) && p.calls == each => Some(p),
        (_, Some(each)) => Some(Price { calls: each, ..Price::default() }),
        (Some(p), None) if by_call(&p) => list.cloned(),
        (price, None) => price,
    }
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
