//! Settings: typed, with defaults, some secret; read from memory, changed in one transaction.

mod catalogue;
mod panel;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use crate::App;
use crate::actor::{Act, Actor};
use crate::bus::Event;
use crate::clock::{Time, Zone};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::setting::StoredSetting;
use crate::service::audit::{self, Target};

pub use catalogue::{all, names};

/// What kind of value a setting takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Bool,
    /// A whole number within bounds.
    Int(i64, i64),
    /// A figure within bounds.
    Number(f64, f64),
    /// Text up to so many characters.
    Text(usize),
    /// A JSON document of any shape.
    Json,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// One setting the product knows.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    pub name: &'static str,
    pub kind: Kind,
    pub default: &'static str,
    pub category: &'static str,
    pub description: &'static str,
    /// Sealed in the database and never shown again.
    pub secret: bool,
    /// False for what is shown but decided elsewhere.
    pub editable: bool,
}

/// All values of the moment.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    stored: HashMap<String, Value>,
    /// Those that the process's environment decides.
    fixed: Vec<(&'static str, String)>,
    zone: Zone,
}

#[derive(Clone, Debug)]
struct Value {
    text: String,
    version: i64,
    updated_at: Time,
}

/// A setting as it is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    pub definition: &'static Definition,
    /// The value, or `***` for a secret that is set.
    pub value: String,
    pub is_set: bool,
    pub version: i64,
    pub updated_at: Option<Time>,
}

impl Settings {
    /// Every setting at its default.
    pub fn defaults() -> Self {
        Self::default()
    }
    /// These settings as changes would leave them: `None` returns to the default, `***` leaves a secret as it is.
    pub fn with(&self, changes: &BTreeMap<String, Option<String>>) -> Self {
        let mut after = self.clone();
        for (name, value) in changes {
            match value {
                Some(text) if text == "***" && definition(name).is_some_and(|d| d.secret) => {}
                Some(text) => {
                    let value = Value { text: text.clone(), version: 0, updated_at: Time(0) };
                    after.stored.insert(name.clone(), value);
                }
                None => {
                    after.stored.remove(name);
                }
            }
        }
        after
    }
    /// The value as text.
    pub fn text(&self, name: &str) -> &str {
        if let Some(value) = self.stored.get(name) {
            return &value.text;
        }
        match self.fixed.iter().find(|(fixed, _)| *fixed == name) {
            Some((_, text)) => text.as_str(),
            None => definition(name).map_or("", |d| d.default),
        }
    }
    /// The value as a switch.
    pub fn bool(&self, name: &str) -> bool {
        self.text(name) == "true"
    }
    /// The value as a whole number.
    pub fn int(&self, name: &str) -> i64 {
        self.text(name).parse().unwrap_or_default()
    }
    /// The value as a figure.
    pub fn number(&self, name: &str) -> f64 {
        self.text(name).parse().unwrap_or_default()
    }
    /// The value as a document; `T`'s default when it does not fit.
    pub fn json<T: serde::de::DeserializeOwned + Default>(&self, name: &str) -> T {
        serde_json::from_str(self.text(name)).unwrap_or_default()
    }
    /// The administrator's time zone.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }
}

/// The definition of a known setting.
pub fn definition(name: &str) -> Option<&'static Definition> {
    all().find(|d| d.name == name)
}

/// The settings of the moment.
pub fn current(app: &App) -> std::sync::Arc<Settings> {
    app.settings.load_full()
}

/// Reads all stored values afresh.
pub async fn reload(app: &App) -> Result<()> {
    let _turn = app.reading_settings.lock().await;
    let mut conn = app.db.conn().await?;
    let mut stored = HashMap::new();
    for row in StoredSetting::all(&mut conn).await? {
        let text = if row.sealed { open(app, &row)? } else { row.value };
        stored.insert(row.name, Value { text, version: row.version, updated_at: row.updated_at });
    }
    let fixed = vec![(names::PUBLIC_URL, app.config.public_url())];
    let mut settings = Settings { stored, fixed, zone: Zone::default() };
    settings.zone = Zone::named(settings.text(names::TIME_ZONE)).unwrap_or_default();
    app.settings.store(settings.into());
    Ok(())
}

/// All settings, by category when one is named; secrets masked.
pub fn list(app: &App, actor: &Actor, category: Option<&str>) -> Result<Vec<Shown>> {
    actor.may(Act::Configure)?;
    let settings = current(app);
    Ok(all().filter(|d| category.is_none_or(|c| d.category == c)).map(|d| show(&settings, d)).collect())
}

/// One setting by its name; secrets masked.
pub fn get(app: &App, actor: &Actor, name: &str) -> Result<Shown> {
    actor.may(Act::Configure)?;
    definition(name).map(|d| show(&current(app), d)).ok_or(Error::NotFound { what: "setting" })
}

/// One setting as it is shown.
pub fn show(settings: &Settings, definition: &'static Definition) -> Shown {
    let stored = settings.stored.get(definition.name);
    let text = settings.text(definition.name);
    let value = if definition.secret && !text.is_empty() { "***".to_owned() } else { text.to_owned() };
    Shown {
        definition,
        value,
        is_set: stored.is_some(),
        version: stored.map_or(0, |v| v.version),
        updated_at: stored.map(|v| v.updated_at),
    }
}

/// Changes several settings together: all of them, or none. A `None` value returns to the default;
/// `***` for a secret leaves it as it is.
pub async fn put(app: &App, actor: &Actor, changes: &BTreeMap<String, Option<String>>) -> Result<()> {
    put_over(app, actor, changes, &BTreeMap::new()).await
}

/// As [`put`]; refuses when one of those named in `expected` no longer has the version its caller read.
pub async fn put_over(
    app: &App,
    actor: &Actor,
    changes: &BTreeMap<String, Option<String>>,
    expected: &BTreeMap<String, i64>,
) -> Result<()> {
    actor.may(Act::Configure)?;
    write(app, actor, changes, expected).await
}

/// As [`put`], for services that have checked the actor by a rule of their own.
pub async fn put_checked(app: &App, actor: &Actor, changes: &BTreeMap<String, Option<String>>) -> Result<()> {
    write(app, actor, changes, &BTreeMap::new()).await
}

/// As [`put`] inside the caller's transaction; [`announce`] follows its commit.
pub(super) async fn put_in(
    app: &App,
    tx: &mut Tx,
    actor: &Actor,
    changes: &BTreeMap<String, Option<String>>,
) -> Result<()> {
    actor.may(Act::Configure)?;
    write_in(app, tx, actor, &checked(changes)?, &BTreeMap::new()).await
}

/// A document as it is stored at this moment, whatever this process has in memory, and its version for
/// [`put_over_in`].
pub(super) async fn json_in<T: serde::de::DeserializeOwned + Default>(tx: &mut Tx, name: &str) -> Result<(T, i64)> {
    let stored = StoredSetting::find(tx, name).await?;
    let version = stored.as_ref().map_or(0, |row| row.version);
    let text = stored.map_or_else(|| definition(name).map_or("", |d| d.default).to_owned(), |row| row.value);
    Ok((serde_json::from_str(&text).unwrap_or_default(), version))
}

/// Writes one setting over the version that was read in the same transaction, for services that have checked the
/// actor by a rule of their own; [`announce`] follows the commit.
pub(super) async fn put_over_in(
    app: &App,
    tx: &mut Tx,
    actor: &Actor,
    name: &str,
    value: String,
    version: i64,
) -> Result<()> {
    let checked = checked(&BTreeMap::from([(name.to_owned(), Some(value))]))?;
    write_in(app, tx, actor, &checked, &BTreeMap::from([(name.to_owned(), version)])).await
}

/// Has every process read the settings afresh, this one now.
pub(super) async fn announce(app: &App) -> Result<()> {
    reload(app).await?;
    app.bus.publish(Event::SettingsChanged).await;
    Ok(())
}

async fn write(
    app: &App,
    actor: &Actor,
    changes: &BTreeMap<String, Option<String>>,
    expected: &BTreeMap<String, i64>,
) -> Result<()> {
    let checked = checked(changes)?;
    let mut tx = app.db.begin().await?;
    write_in(app, &mut tx, actor, &checked, expected).await?;
    tx.commit().await?;
    announce(app).await
}

/// A setting and its new value in the form it is stored in.
type Checked = (&'static Definition, Option<String>);

fn checked(changes: &BTreeMap<String, Option<String>>) -> Result<Vec<Checked>> {
    let mut checked = Vec::new();
    for (name, value) in changes {
        let definition =
            definition(name).ok_or_else(|| Error::invalid(name.as_str(), format!("there is no setting {name}")))?;
        if !definition.editable {
            return Err(Error::invalid(name.as_str(), format!("{name} cannot be changed")));
        }
        if definition.secret && value.as_deref() == Some("***") {
            continue;
        }
        let value = value.as_deref().map(|v| check(definition, v)).transpose()?;
        checked.push((definition, value));
    }
    Ok(checked)
}

async fn write_in(
    app: &App,
    tx: &mut Tx,
    actor: &Actor,
    checked: &[Checked],
    expected: &BTreeMap<String, i64>,
) -> Result<()> {
    let settings = current(app);
    for (definition, value) in checked {
        let before = (!definition.secret).then(|| settings.text(definition.name).to_owned());
        let after = if definition.secret { Some("***".to_owned()) } else { value.clone() };
        let expected = expected.get(definition.name).copied();
        let written = match value {
            None => match expected {
                Some(version) => StoredSetting::delete_over(tx, definition.name, version).await?,
                None => StoredSetting::delete(tx, definition.name).await.map(|_| true)?,
            },
            Some(text) => {
                let row = StoredSetting {
                    name: definition.name.to_owned(),
                    value: if definition.secret { seal(app, definition.name, text)? } else { text.clone() },
                    sealed: definition.secret,
                    version: 1,
                    updated_at: app.clock.now(),
                    updated_by: actor.name.clone(),
                };
                match expected {
                    Some(version) => row.put_over(tx, version).await?,
                    None => row.put(tx).await.map(|()| true)?,
                }
            }
        };
        if !written {
            return Err(super::field::stale());
        }
        let target = Target { kind: "setting", id: definition.name };
        audit::record(app, tx, actor, "setting.put", target, before, after).await?;
    }
    Ok(())
}

/// Refuses a value that does not fit; returns it in its stored form.
fn check(definition: &Definition, value: &str) -> Result<String> {
    let refuse = |why: String| Err(Error::invalid(definition.name, format!("{}: {why}", definition.name)));
    if value.contains('\0') {
        return refuse("may not hold a NUL character".into());
    }
    match definition.kind {
        Kind::Bool => match value.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok("true".into()),
            "false" | "0" => Ok("false".into()),
            _ => refuse("must be true or false".into()),
        },
        Kind::Int(low, high) => match value.trim().parse::<i64>() {
            Ok(n) if (low..=high).contains(&n) => Ok(n.to_string()),
            _ => refuse(format!("must be a whole number between {low} and {high}")),
        },
        Kind::Number(low, high) => match value.trim().parse::<f64>() {
            Ok(n) if n.is_finite() && n >= low && n <= high => Ok(n.to_string()),
            _ => refuse(format!("must be a number between {low} and {high}")),
        },
        Kind::Text(most) if value.chars().count() > most => refuse(format!("may have at most {most} characters")),
        Kind::Text(_) if definition.name == names::TIME_ZONE && Zone::named(value).is_none() => {
            refuse("must be a time zone such as UTC, Asia/Shanghai or +08:00".into())
        }
        Kind::Text(_) => Ok(value.to_owned()),
        Kind::Json if value.len() > 1 << 20 => refuse("may have at most 1 MiB".into()),
        Kind::Json => match serde_json::from_str::<serde_json::Value>(value) {
            Ok(document) => match misshapen(definition.name, &document) {
                None => Ok(value.to_owned()),
                Some(why) => refuse(why.into()),
            },
            Err(e) => refuse(format!("is no JSON: {e}")),
        },
        Kind::Choice(words) if words.contains(&value) => Ok(value.to_owned()),
        Kind::Choice(words) => refuse(format!("must be one of {}", words.join(", "))),
    }
}

/// Why a document is not what its setting is read as.
fn misshapen(name: &str, document: &serde_json::Value) -> Option<&'static str> {
    let each_is = |fits: fn(&serde_json::Value) -> bool| document.as_object().is_some_and(|all| all.values().all(fits));
    match name {
        names::GROUP_RATIOS | names::USER_RATIOS | names::MODEL_RATIOS | names::SERVICE_RATES => {
            let fits = each_is(|v| v.as_f64().is_some_and(|factor| (0.0..=1_000.0).contains(&factor)));
            (!fits).then_some("must be an object of names and of factors between 0 and 1000")
        }
        names::USER_USABLE_GROUPS => (!each_is(serde_json::Value::is_string))
            .then_some("must be an object of groups and the texts shown for them"),
        names::AUTO_GROUPS => {
            let fits = document.as_array().is_some_and(|all| all.iter().all(serde_json::Value::is_string));
            (!fits).then_some("must be a list of groups")
        }
        names::KEY_TAGS => {
            let fits = document.as_array().is_some_and(|all| all.iter().all(serde_json::Value::is_string));
            (!fits).then_some("must be a list of tags")
        }
        names::CALLS_LIMIT_GROUPS => {
            let pair = |v: &serde_json::Value| -> Option<bool> {
                let [all, good] = v.as_array()?.as_slice() else { return None };
                let (all, good) = (all.as_i64()?, good.as_i64()?);
                Some(all >= 0 && good >= 1)
            };
            let fits = document.as_object().is_some_and(|all| all.values().all(|v| pair(v) == Some(true)));
            (!fits).then_some(
                "must be an object of groups and of pairs: all calls, 0 for any number, and at least 1 that succeeds",
            )
        }
        _ => panel::misshapen(name, document),
    }
}

fn place(name: &str) -> String {
    format!("settings.{name}")
}

fn seal(app: &App, name: &str, text: &str) -> Result<String> {
    Ok(crate::id::hex(&app.seal.seal(&place(name), text.as_bytes())?))
}

fn open(app: &App, row: &StoredSetting) -> Result<String> {
    let bad = || Error::internal(format!("the sealed setting {} is damaged", row.name));
    let bytes = crate::id::unhex(&row.value).ok_or_else(bad)?;
    String::from_utf8(app.seal.open(&place(&row.name), &bytes)?).map_err(|_| bad())
}
