//! What a key may do: services, limits, rules and the accounts it is bound to.

use std::collections::BTreeMap;
use std::io::Write;

use diesel::backend::Backend;
use diesel::deserialize::{FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::Pg;
use diesel::serialize::{IsNull, Output, ToSql};
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;
use serde::{Deserialize, Serialize};

use crate::money::Micros;
use crate::text_enum;

text_enum! {
    /// What a key may call.
    pub enum Service {
        Claude = "claude",
        Gemini = "gemini",
        Openai = "openai",
        Bedrock = "bedrock",
        Droid = "droid",
        Midjourney = "midjourney",
        Suno = "suno",
        Kling = "kling",
        Video = "video",
    }
}

/// The services a key may call: all of them, those of tomorrow too, or a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub enum Permissions {
    #[default]
    All,
    Only(Vec<Service>),
}

impl Permissions {
    /// From words; `all` or no word at all means everything. The first unknown word is the error.
    pub fn of<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Result<Self, String> {
        let mut services = Vec::new();
        let mut all = false;
        for word in words {
            let word = word.as_ref().trim().to_ascii_lowercase();
            match Service::parse(&word) {
                _ if word == "all" => all = true,
                Some(service) if !services.contains(&service) => services.push(service),
                Some(_) => {}
                None => return Err(word),
            }
        }
        if all || services.is_empty() {
            return Ok(Self::All);
        }
        services.sort_unstable();
        Ok(Self::Only(services))
    }
    /// From one line: `all`, `claude,gemini`, or a JSON list in text.
    pub fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim();
        if line.starts_with('[') {
            let words: Vec<String> = serde_json::from_str(line).map_err(|_| line.to_owned())?;
            return Self::of(words);
        }
        Self::of(line.split(',').filter(|w| !w.trim().is_empty()))
    }
    /// True when a service may be called.
    pub fn allows(&self, service: Service) -> bool {
        match self {
            Self::All => true,
            Self::Only(list) => list.contains(&service),
        }
    }
    /// True when nothing is allowed here that `other` does not allow.
    pub fn within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::All) => true,
            (Self::All, Self::Only(_)) => false,
            (Self::Only(list), other) => list.iter().all(|s| other.allows(*s)),
        }
    }
    /// `all`, or the words with commas.
    pub fn render(&self) -> String {
        self.words().join(",")
    }
    /// `["all"]`, or the words.
    pub fn words(&self) -> Vec<&'static str> {
        match self {
            Self::All => vec!["all"],
            Self::Only(list) => list.iter().map(|s| s.as_str()).collect(),
        }
    }
    fn stored(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Only(_) => format!("|{}|", self.words().join("|")),
        }
    }
}

impl Serialize for Permissions {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.render())
    }
}

impl<DB: Backend> FromSql<Text, DB> for Permissions
where
    String: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        let text = String::from_sql(bytes)?;
        // A word this build does not know grants nothing, rather than everything.
        let known = text.split('|').filter_map(Service::parse).collect();
        Ok(if text == "all" { Self::All } else { Self::Only(known) })
    }
}

impl ToSql<Text, Pg> for Permissions {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> diesel::serialize::Result {
        out.write_all(self.stored().as_bytes())?;
        Ok(IsNull::No)
    }
}

impl ToSql<Text, Sqlite> for Permissions {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> diesel::serialize::Result {
        out.set_value(self.stored());
        Ok(IsNull::No)
    }
}

/// How much a key may use; 0 means no such limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyLimits {
    /// Length of the window that begins with its first request.
    #[serde(skip_serializing_if = "zero")]
    pub window_ms: i64,
    #[serde(skip_serializing_if = "zero")]
    pub window_requests: i64,
    /// Tokens within the window; without a window, tokens altogether.
    #[serde(skip_serializing_if = "zero")]
    pub window_tokens: i64,
    #[serde(skip_serializing_if = "none")]
    pub window_cost: Micros,
    /// Calls at the same time.
    #[serde(skip_serializing_if = "zero")]
    pub concurrency: i64,
    #[serde(skip_serializing_if = "zero")]
    pub daily_requests: i64,
    #[serde(skip_serializing_if = "none")]
    pub daily_cost: Micros,
    /// Cost of Claude models within a week that starts when the next two say.
    #[serde(skip_serializing_if = "none")]
    pub weekly_cost: Micros,
    /// 1 = Monday … 7 = Sunday; 0 = Monday.
    #[serde(skip_serializing_if = "zero")]
    pub week_start_day: i64,
    #[serde(skip_serializing_if = "zero")]
    pub week_start_hour: i64,
    /// Requests a minute.
    #[serde(skip_serializing_if = "zero")]
    pub rpm: i64,
    /// Tokens a minute.
    #[serde(skip_serializing_if = "zero")]
    pub tpm: i64,
}

fn zero(n: &i64) -> bool {
    *n == 0
}
fn none(m: &Micros) -> bool {
    m.0 == 0
}
fn off(b: &bool) -> bool {
    !*b
}

/// Who may use a key, and for which models. A list without its switch is kept but not applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyRules {
    #[serde(skip_serializing_if = "off")]
    pub restrict_models: bool,
    /// Models refused, by exact name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restricted_models: Vec<String>,
    #[serde(skip_serializing_if = "off")]
    pub limit_models: bool,
    /// The only models admitted; a trailing `*` stands for anything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_models: Vec<String>,
    #[serde(skip_serializing_if = "off")]
    pub restrict_clients: bool,
    /// The only client programs admitted, by their ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_clients: Vec<String>,
    /// Addresses and networks it may be used from; empty means anywhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<String>,
    /// Largest request body in bytes; 0 means the server's own limit.
    #[serde(skip_serializing_if = "zero")]
    pub body_limit: i64,
    /// An administrator decides about it; its owner may only name and tag it.
    #[serde(skip_serializing_if = "off")]
    pub managed: bool,
    /// Multiplies the price of a service, in millionths (1,000,000 = unchanged).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub service_rates: BTreeMap<String, i64>,
}

impl KeyRules {
    /// True when a model may be called.
    pub fn admits_model(&self, model: &str) -> bool {
        let denied = self.restrict_models && self.restricted_models.iter().any(|m| m == model);
        let allowed = !self.limit_models || self.allowed_models.iter().any(|m| matches_name(m, model));
        !denied && allowed
    }
}

/// True when a name fits a pattern: the same, or the same up to a trailing `*`.
pub(crate) fn matches_name(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

text_enum! {
    /// Which kind of account a binding speaks of.
    pub enum Slot {
        Claude = "claude",
        ClaudeConsole = "claude_console",
        Ccr = "ccr",
        Bedrock = "bedrock",
        Gemini = "gemini",
        Openai = "openai",
        OpenaiResponses = "openai_responses",
        AzureOpenai = "azure_openai",
        Droid = "droid",
        /// Every kind.
        Any = "any",
    }
}

/// What a key is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BoundTo {
    #[serde(rename = "account_id")]
    Account(i64),
    #[serde(rename = "group_id")]
    Group(i64),
}

impl BoundTo {
    /// The `LIKE` pattern that finds it in a stored list: the closing brace ends the number.
    pub(super) fn pattern(self) -> String {
        match self {
            Self::Account(id) => format!("%\"account\\_id\":{id}}}%"),
            Self::Group(id) => format!("%\"group\\_id\":{id}}}%"),
        }
    }
}

/// One binding: for this kind of account, this account or group and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    pub slot: Slot,
    // Stays last, see `BoundTo::pattern`.
    #[serde(flatten)]
    pub to: BoundTo,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_read_every_spelling() {
        let two = Permissions::Only(vec![Service::Claude, Service::Gemini]);
        for line in ["claude,gemini", " Gemini , claude ", "[\"claude\",\"gemini\"]", "claude,gemini,claude"] {
            assert_eq!(Permissions::parse(line), Ok(two.clone()), "{line}");
        }
        for line in ["all", "", "[]", "claude,all"] {
            assert_eq!(Permissions::parse(line), Ok(Permissions::All), "{line}");
        }
        assert_eq!(Permissions::parse("claude,cooking"), Err("cooking".into()));
        assert_eq!(two.render(), "claude,gemini");
        assert_eq!(two.stored(), "|claude|gemini|");
        assert!(two.within(&Permissions::All) && !Permissions::All.within(&two));
        assert!(!two.allows(Service::Openai));
    }

    #[test]
    fn a_binding_is_found_by_its_end() {
        let bound = Binding { slot: Slot::Claude, to: BoundTo::Account(5) };
        let text = serde_json::to_string(&[bound]).expect("JSON");
        assert_eq!(text, r#"[{"slot":"claude","account_id":5}]"#);
        assert_eq!(BoundTo::Account(5).pattern().replace(['%', '\\'], ""), "\"account_id\":5}");
        assert_eq!(serde_json::from_str::<Vec<Binding>>(&text).expect("bindings"), [bound]);
    }

    #[test]
    fn lists_without_their_switch_do_not_apply() {
        let mut rules = KeyRules { restricted_models: vec!["a".into()], ..KeyRules::default() };
        assert!(rules.admits_model("a"));
        rules.restrict_models = true;
        assert!(!rules.admits_model("a") && rules.admits_model("a-1"));
        rules.limit_models = true;
        rules.allowed_models = vec!["gpt-*".into()];
        assert!(rules.admits_model("gpt-5") && !rules.admits_model("o3"));
    }
}
