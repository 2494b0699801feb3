//! What a type reads, learnt by letting it read.
//!
//! Everything that is read from requests implements `Deserialize`, and a `Deserialize` type says what it
//! wants: a text, a number, a struct of these fields. A probe stands where the data would be, notes what it
//! is asked for and hands out the least that fits. So the description needs no derive of its own and cannot
//! differ from what is read.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{LazyLock, PoisonError, RwLock};

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};

use super::kind::{Field, Type};

/// What a type reads, worked out once.
pub fn known<T: DeserializeOwned + 'static>() -> &'static Type {
    static KNOWN: LazyLock<RwLock<HashMap<TypeId, &'static Type>>> = LazyLock::new(RwLock::default);
    let id = TypeId::of::<T>();
    if let Some(found) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
        return found;
    }
    let learnt = of::<T>();
    // There are as many of these as there are types in the route tables, and they are needed as long.
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).entry(id).or_insert_with(|| Box::leak(Box::new(learnt)))
}

/// What a type reads.
pub fn of<T: DeserializeOwned>() -> Type {
    let run = RefCell::new(Run::default());
    let read = |omit: &BTreeSet<Place>| -> Result<(), Misfit> {
        {
            let mut run = run.borrow_mut();
            run.omit.clone_from(omit);
            run.stumbled = None;
            run.within.clear();
        }
        T::deserialize(Probe { run: &run, place: Vec::new() }).map(|_| ())
    };
    let mut omit = BTreeSet::new();
    let mut same = BTreeMap::new();
    // Whatever does not take the least that fits is left out from then on; what it asked for is known.
    for _ in 0..256 {
        let Err(misfit) = read(&omit) else { break };
        let twin = misfit.duplicate.zip(run.borrow().twins.clone());
        if let Some((name, place)) = twin {
            run.borrow_mut().twins = None;
            let fields = run.borrow().fields(&place);
            for other in fields.iter().copied().filter(|f| *f != name) {
                let mut only = omit.clone();
                only.extend(fields.iter().filter(|f| **f != name && **f != other).map(|f| step(&place, f)));
                if read(&only).is_err_and(|e| e.duplicate == Some(name)) {
                    omit.insert(step(&place, other));
                    same.insert(step(&place, other), name);
                }
            }
            continue;
        }
        let stumbled = run.borrow().stumbled.clone();
        match stumbled {
            Some(place) if omit.insert(place.clone()) => {}
            _ => break,
        }
    }
    let forms: Vec<(Place, Vec<&'static str>)> = run.borrow().forms();
    let mut required = BTreeSet::new();
    for (place, fields) in forms {
        for field in fields {
            let at = step(&place, field);
            // What was left out to get on is gone into again where it is in the way.
            let mut without: BTreeSet<Place> = omit.iter().filter(|o| !place.starts_with(o)).cloned().collect();
            without.insert(at.clone());
            if read(&without).is_err_and(|e| e.missing == Some(field)) {
                required.insert(at);
            }
        }
    }
    run.into_inner().tree(&Vec::new(), &required, &same)
}

/// Where in a value something stands.
type Place = Vec<&'static str>;

const SOME: &str = "?";
const ITEM: &str = "[]";
const ENTRY: &str = "{}";
const SLOTS: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];

fn step(place: &Place, to: &'static str) -> Place {
    let mut place = place.clone();
    place.push(to);
    place
}

/// What was asked for at a place.
#[derive(Clone, Debug)]
enum Seen {
    Leaf(Type),
    Maybe,
    List,
    Tuple(usize),
    Table,
    Form(&'static [&'static str]),
}

#[derive(Default)]
struct Run {
    seen: BTreeMap<Place, Seen>,
    /// What is not handed out.
    omit: BTreeSet<Place>,
    /// Where reading stopped.
    stumbled: Option<Place>,
    /// The form in which one field was read under two names.
    twins: Option<Place>,
    /// The structs being read, outermost first.
    within: Vec<&'static str>,
}

impl Run {
    fn note(&mut self, place: &Place, seen: Seen) {
        self.seen.entry(place.clone()).or_insert(seen);
    }
    fn fields(&self, place: &Place) -> Vec<&'static str> {
        match self.seen.get(place) {
            Some(Seen::Form(fields)) => fields.to_vec(),
            _ => Vec::new(),
        }
    }
    fn forms(&self) -> Vec<(Place, Vec<&'static str>)> {
        let forms = self.seen.iter().filter(|(_, seen)| matches!(seen, Seen::Form(_)));
        forms.map(|(place, _)| (place.clone(), self.fields(place))).collect()
    }
    fn tree(&self, place: &Place, required: &BTreeSet<Place>, same: &BTreeMap<Place, &'static str>) -> Type {
        let below = |to| self.tree(&step(place, to), required, same);
        match self.seen.get(place) {
            None => Type::Any,
            Some(Seen::Leaf(kind)) => kind.clone(),
            Some(Seen::Maybe) => Type::Maybe(Box::new(below(SOME))),
            Some(Seen::List) => Type::List(Box::new(below(ITEM))),
            Some(Seen::Tuple(n)) => Type::Tuple(SLOTS.iter().take(*n).map(|s| below(s)).collect()),
            Some(Seen::Table) => Type::Table(Box::new(below(ENTRY))),
            Some(Seen::Form(fields)) => {
                let field = |name: &&'static str| {
                    let at = step(place, name);
                    let same_as = same.get(&at).copied();
                    Field { name, kind: below(same_as.unwrap_or(name)), required: required.contains(&at), same_as }
                };
                Type::Form(fields.iter().map(field).collect())
            }
        }
    }
}

/// Why reading stopped.
#[derive(Debug, Default)]
struct Misfit {
    missing: Option<&'static str>,
    duplicate: Option<&'static str>,
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a probe does not fit")
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self::default()
    }
    fn missing_field(field: &'static str) -> Self {
        Self { missing: Some(field), duplicate: None }
    }
    fn duplicate_field(field: &'static str) -> Self {
        Self { missing: None, duplicate: Some(field) }
    }
}

/// Stands where data would be.
struct Probe<'a> {
    run: &'a RefCell<Run>,
    place: Place,
}

impl<'a> Probe<'a> {
    fn note(&self, seen: Seen) {
        self.run.borrow_mut().note(&self.place, seen);
    }
    fn leaf(&self, kind: Type) {
        self.note(Seen::Leaf(kind));
    }
    fn below(&self, to: &'static str) -> Probe<'a> {
        Probe { run: self.run, place: step(&self.place, to) }
    }
    /// Lets something below be read, and notes the innermost place at which that fails.
    fn feed<'de, S: DeserializeSeed<'de>>(&self, to: &'static str, seed: S) -> Result<S::Value, Misfit> {
        let below = self.below(to);
        let place = below.place.clone();
        seed.deserialize(below).inspect_err(|_| {
            let mut run = self.run.borrow_mut();
            if run.stumbled.is_none() {
                run.stumbled = Some(place);
            }
        })
    }
    fn omits(&self, to: &'static str) -> bool {
        self.run.borrow().omit.contains(&step(&self.place, to))
    }
}

macro_rules! whole {
    ($($ask:ident $give:ident $n:ty;)+) => { $(
        fn $ask<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            self.leaf(Type::Int(<$n>::MIN as i128, <$n>::MAX as i128));
            visitor.$give(1)
        }
    )+ };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Misfit;

    whole! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.leaf(Type::Any);
        visitor.visit_unit()
    }
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_any(visitor)
    }
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.leaf(Type::Bool);
        visitor.visit_bool(false)
    }
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_f64(visitor)
    }
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.leaf(Type::Number);
        visitor.visit_f64(1.0)
    }
    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.leaf(Type::Text);
        visitor.visit_char('a')
    }
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.leaf(Type::Text);
        visitor.visit_str("a")
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.note(Seen::Maybe);
        visitor.visit_some(self.below(SOME))
    }
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.leaf(Type::Null);
        visitor.visit_unit()
    }
    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_unit(visitor)
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.note(Seen::List);
        let steps = if self.omits(ITEM) { &[][..] } else { &[ITEM][..] };
        visitor.visit_seq(Steps { probe: self, steps })
    }
    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Misfit> {
        let steps = SLOTS.get(..len).ok_or_else(Misfit::default)?;
        self.note(Seen::Tuple(len));
        visitor.visit_seq(Steps { probe: self, steps })
    }
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_tuple(len, visitor)
    }
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.note(Seen::Table);
        let steps = if self.omits(ENTRY) { &[][..] } else { &[ENTRY][..] };
        visitor.visit_map(Steps { probe: self, steps })
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        if self.run.borrow().within.contains(&name) {
            // What holds itself is not followed any deeper.
            self.leaf(Type::Table(Box::new(Type::Any)));
            return Err(Misfit::default());
        }
        self.note(Seen::Form(fields));
        self.run.borrow_mut().within.push(name);
        let (run, place) = (self.run, self.place.clone());
        let read = visitor.visit_map(Steps { probe: self, steps: fields });
        let mut run = run.borrow_mut();
        run.within.pop();
        if read.as_ref().is_err_and(|e| e.duplicate.is_some()) && run.twins.is_none() {
            run.twins = Some(place);
        }
        read
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let first: StrDeserializer<'_, Misfit> = variants.first().copied().unwrap_or_default().into_deserializer();
        match visitor.visit_enum(first) {
            Ok(value) => {
                self.leaf(Type::Choice(variants));
                Ok(value)
            }
            Err(misfit) => {
                self.leaf(Type::Any);
                Err(misfit)
            }
        }
    }
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }
}

/// What is handed out below a place, one after the other.
struct Steps<'a> {
    probe: Probe<'a>,
    steps: &'static [&'static str],
}

impl<'de> de::SeqAccess<'de> for Steps<'_> {
    type Error = Misfit;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Misfit> {
        let Some((to, rest)) = self.steps.split_first() else { return Ok(None) };
        self.steps = rest;
        self.probe.feed(to, seed).map(Some)
    }
}

impl<'de> de::MapAccess<'de> for Steps<'_> {
    type Error = Misfit;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Misfit> {
        while let Some((to, rest)) = self.steps.split_first() {
            if !self.probe.omits(to) {
                let name: StrDeserializer<'_, Misfit> = to.into_deserializer();
                return seed.deserialize(name).map(Some);
            }
            self.steps = rest;
        }
        Ok(None)
    }
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Misfit> {
        let (to, rest) = self.steps.split_first().ok_or_else(Misfit::default)?;
        self.steps = rest;
        self.probe.feed(to, seed)
    }
}

#[cfg(test)]
mod tests;
