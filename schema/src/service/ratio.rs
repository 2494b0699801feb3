//! What prices are multiplied by: the user group, the person, the model, the service. Kept as settings, checked here.

use std::collections::BTreeMap;

use crate::App;
use crate::actor::{Act, Actor};
use crate::error::{Error, Result};
use crate::money::Micros;
use crate::service::field;
use crate::service::price;
use crate::service::setting::{self, names};

/// What is multiplied apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ratio {
    Group,
    User,
    Model,
    Service,
}

impl Ratio {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Group, Self::User, Self::Model, Self::Service];

    fn setting(self) -> &'static str {
        match self {
            Self::Group => names::GROUP_RATIOS,
            Self::User => names::USER_RATIOS,
            Self::Model => names::MODEL_RATIOS,
            Self::Service => names::SERVICE_RATES,
        }
    }
}

/// The factors of one kind by name, in millionths; what is not named counts one.
pub fn of(app: &App, actor: &Actor, kind: Ratio) -> Result<BTreeMap<String, Micros>> {
    actor.may(Act::ViewAll)?;
    let kept: BTreeMap<String, serde_json::Value> = setting::current(app).json(kind.setting());
    Ok(kept.into_iter().filter_map(|(name, factor)| Some((name, Micros(price::ratio(factor.as_f64()?))))).collect())
}

/// The most a price is multiplied by.
const MOST: i64 = 1_000;

/// Sets the factors of several kinds anew: all of them, or none.
pub async fn put(app: &App, actor: &Actor, tables: Vec<(Ratio, Vec<(String, Micros)>)>) -> Result<()> {
    actor.may(Act::Configure)?;
    let mut changes = BTreeMap::new();
    for (kind, factors) in tables {
        let place = kind.setting();
        if factors.len() > 2_000 {
            return Err(Error::invalid(place, "at most 2000 factors of a kind"));
        }
        let mut table = serde_json::Map::new();
        for (name, factor) in factors {
            let name = field::name(place, &name, 200)?;
            if !(0..=MOST * price::ONE).contains(&factor.0) {
                return Err(Error::invalid(place, format!("a factor lies between 0 and {MOST}")));
            }
            let figure = serde_json::json!(factor.0 as f64 / price::ONE as f64);
            if table.insert(name.clone(), figure).is_some() {
                return Err(Error::invalid(place, format!("{name} is named twice")));
            }
        }
        changes.insert(place.to_owned(), Some(serde_json::Value::from(table).to_string()));
    }
    setting::put(app, actor, &changes).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestApp;

    #[tokio::test(flavor = "multi_thread")]
    async fn factors_are_checked_and_set_together() {
        let t = TestApp::new().await;
        let (root, ann) = (t.admin().await, t.user("ann").await);
        let tables = |factor: i64| {
            vec![
                (Ratio::Group, vec![("vip".to_owned(), Micros(500_000))]),
                (Ratio::Model, vec![("m".to_owned(), Micros(factor))]),
            ]
        };
        put(&t, &root, tables(2_000_000)).await.expect("set");
        assert_eq!(of(&t, &root, Ratio::Group).expect("factors").get("vip"), Some(&Micros(500_000)));
        assert_eq!(of(&t, &root, Ratio::Model).expect("factors").get("m"), Some(&Micros(2_000_000)));
        for bad in [tables(-1), tables(1_000_000_001), vec![(Ratio::User, vec![(String::new(), Micros(1))])]] {
            assert_eq!(put(&t, &root, bad).await.map_err(|e| e.code()), Err("BAD_USER_INPUT"));
        }
        let twice = vec![(Ratio::User, vec![("a".to_owned(), Micros(1)), ("a ".to_owned(), Micros(2))])];
        assert!(put(&t, &root, twice).await.is_err());
        assert_eq!(of(&t, &root, Ratio::Model).expect("factors").get("m"), Some(&Micros(2_000_000)));
        assert_eq!(put(&t, &ann, tables(1)).await.map_err(|e| e.code()), Err("FORBIDDEN"));
        assert_eq!(of(&t, &ann, Ratio::User).map_err(|e| e.code()), Err("FORBIDDEN"));
    }
}
