//! What a document would amount to if every fragment were written out, and the limits on that.
//! Each fragment is measured once, so a document that doubles at every fragment costs no more to refuse
//! than a plain one. Whether fields exist is for validation to say, which runs after this.

use std::collections::HashMap;

use async_graphql::{
    Positioned,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType, Selection,
        SelectionSet,
    },
};

use super::{
    code::{Code, Fault},
    limits::Limits,
};

/// Sizes of a selection set with its fragments written out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Measure {
    depth: usize,
    selections: usize,
    aliases: usize,
    directives: usize,
    introspection_lists: usize,
}

impl Measure {
    /// Two selections side by side.
    fn beside(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            selections: self.selections.saturating_add(other.selections),
            aliases: self.aliases.saturating_add(other.aliases),
            directives: self.directives.saturating_add(other.directives),
            introspection_lists: self.introspection_lists.max(other.introspection_lists),
        }
    }
}

/// What the transport needs to know of one operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Query, mutation or subscription.
    pub kind: OperationType,
    /// The root fields it selects, by field name.
    pub roots: Vec<String>,
}

impl Operation {
    /// Whether it asks for the schema itself.
    pub fn introspects(&self) -> bool {
        self.roots.iter().any(|root| root == "__schema" || root == "__type")
    }
}

/// A parsed document that keeps to the limits.
#[derive(Clone, Debug)]
pub struct Document {
    /// The document itself.
    pub ast: ExecutableDocument,
    /// Its operations.
    pub operations: Vec<Operation>,
    /// A rough figure of the memory it takes.
    pub weight: usize,
}

impl Document {
    /// The operation a request means.
    pub fn operation(&self, name: Option<&str>) -> Result<&Operation, Fault> {
        let found = match name {
            Some(name) => self.operations.iter().find(|operation| operation.name.as_deref() == Some(name)),
            None if self.operations.len() > 1 => {
                return Err(Fault::new(
                    Code::OperationResolution,
                    "The document holds several operations: say which in operationName.",
                ));
            }
            None => self.operations.first(),
        };
        found.ok_or_else(|| Fault::new(Code::OperationResolution, "The document holds no operation of that name."))
    }

    /// The definition behind `operation`.
    pub fn definition(&self, operation: &Operation) -> Option<&OperationDefinition> {
        match &self.ast.operations {
            DocumentOperations::Single(only) => Some(&only.node),
            DocumentOperations::Multiple(named) => {
                operation.name.as_deref().and_then(|name| named.get(name)).map(|found| &found.node)
            }
        }
    }
}

/// Parses `source` and holds it against the limits.
pub fn read(source: &str, limits: &Limits) -> Result<Document, Fault> {
    let tokens = super::scan::tokens(source, limits)?;
    if source.contains("\\u0000") {
        return Err(Fault::new(Code::BadUserInput, "A text in the document holds a NUL character, which none may."));
    }
    let ast = async_graphql::parser::parse_query(source).map_err(|error| {
        let mut fault = Fault::new(Code::ParseFailed, sentence(&error.to_string()));
        fault.locations = error.positions().collect();
        fault
    })?;
    let operations = inspect(&ast, limits)?;
    Ok(Document { ast, operations, weight: source.len() + tokens * 160 + 512 })
}

/// The parser's drawing of the place as one sentence; the place itself is told as `locations`.
fn sentence(drawing: &str) -> String {
    match drawing.lines().last().and_then(|line| line.trim_start().strip_prefix("= ")) {
        Some(what) => format!("Syntax error: {}.", what.trim().replace('_', " ")),
        None => drawing.to_owned(),
    }
}

fn inspect(ast: &ExecutableDocument, limits: &Limits) -> Result<Vec<Operation>, Fault> {
    let mut walk = Walk { ast, limits, fragments: HashMap::new(), level: 0 };
    for name in ast.fragments.keys() {
        let measure = walk.fragment(name)?;
        walk.hold(measure)?;
    }
    let mut whole = Measure::default();
    let mut operations = Vec::new();
    for (name, operation) in ast.operations.iter() {
        let mut measure = walk.selections(&operation.node.selection_set.node)?;
        measure.directives += operation.node.directives.len();
        for variable in &operation.node.variable_definitions {
            measure.directives += variable.node.directives.len();
        }
        whole = whole.beside(measure);
        walk.hold(whole)?;
        operations.push(walk.operation(name.map(|name| name.to_string()), operation)?);
    }
    Ok(operations)
}

enum Seen {
    Open,
    Measured(Measure),
}

struct Walk<'a> {
    ast: &'a ExecutableDocument,
    limits: &'a Limits,
    fragments: HashMap<&'a str, Seen>,
    level: usize,
}

impl<'a> Walk<'a> {
    fn hold(&self, measure: Measure) -> Result<(), Fault> {
        let limits = self.limits;
        let over = [
            (measure.depth, limits.depth, "fields are nested", "deep"),
            (measure.selections, limits.fields, "the document selects", "fields"),
            (measure.aliases, limits.aliases, "the document has", "aliases"),
            (measure.directives, limits.directives, "the document has", "directives"),
            (
                measure.introspection_lists,
                limits.introspection_lists.saturating_sub(1),
                "introspection lists are nested",
                "deep",
            ),
        ]
        .into_iter()
        .find(|(value, most, _, _)| value > most);
        match over {
            None => Ok(()),
            Some((_, most, what, unit)) => {
                Err(Fault::invalid(format!("Too much: {what} more than {most} {unit}, fragments written out.")))
            }
        }
    }

    fn fragment(&mut self, name: &'a str) -> Result<Measure, Fault> {
        match self.fragments.get(name) {
            Some(Seen::Measured(measure)) => return Ok(*measure),
            Some(Seen::Open) => {
                return Err(Fault::invalid(format!("Fragment `{name}` spreads itself.")));
            }
            None => {}
        }
        // An unknown fragment is validation's to refuse.
        let Some(fragment) = self.ast.fragments.get(name) else {
            return Ok(Measure::default());
        };
        self.fragments.insert(name, Seen::Open);
        let mut measure = self.selections(&fragment.node.selection_set.node)?;
        measure.directives = measure.directives.saturating_add(fragment.node.directives.len());
        self.fragments.insert(name, Seen::Measured(measure));
        Ok(measure)
    }

    fn selections(&mut self, set: &'a SelectionSet) -> Result<Measure, Fault> {
        // Long chains of fragments must not run this walk out of stack before they are measured.
        if self.level > self.limits.nesting * 2 {
            return Err(Fault::invalid("Fragments are chained too deep."));
        }
        self.level += 1;
        let mut total = Measure::default();
        for item in &set.items {
            let mut measure = match &item.node {
                Selection::Field(field) => self.field(field)?,
                Selection::FragmentSpread(spread) => self.fragment(spread.node.fragment_name.node.as_str())?,
                Selection::InlineFragment(inline) => self.selections(&inline.node.selection_set.node)?,
            };
            // A spread counts too: fragments that spread only unknown ones would otherwise weigh nothing.
            measure.selections = measure.selections.saturating_add(1);
            measure.directives = measure.directives.saturating_add(item.node.directives().len());
            total = total.beside(measure);
        }
        self.level -= 1;
        Ok(total)
    }

    fn field(&mut self, field: &'a Positioned<Field>) -> Result<Measure, Fault> {
        let name = field.node.name.node.as_str();
        if name == "__typename" {
            typename_is_plain(field)?;
        }
        let mut measure = self.selections(&field.node.selection_set.node)?;
        measure.depth = measure.depth.saturating_add(1);
        measure.aliases = measure.aliases.saturating_add(usize::from(field.node.alias.is_some()));
        if matches!(name, "fields" | "inputFields" | "interfaces" | "possibleTypes") {
            measure.introspection_lists = measure.introspection_lists.saturating_add(1);
        } else if name != "__schema" && name != "__type" && !is_introspection_step(name) {
            // Fields of our own that bear such a name do not make a chain of introspection.
            measure.introspection_lists = 0;
        }
        Ok(measure)
    }

    fn operation(
        &self,
        name: Option<String>,
        operation: &'a Positioned<OperationDefinition>,
    ) -> Result<Operation, Fault> {
        let kind = operation.node.ty;
        let mut roots = Vec::new();
        self.roots(&operation.node.selection_set.node, &mut roots);
        if roots.len() > self.limits.root_fields {
            return Err(Fault::invalid(format!(
                "An operation may select at most {} root fields.",
                self.limits.root_fields
            ))
            .at(operation.pos));
        }
        match kind {
            OperationType::Query => {}
            // The executor would run a repeated field again, not merge it.
            OperationType::Mutation => {
                for (index, field) in roots.iter().enumerate() {
                    let key = &field.node.response_key().node;
                    if roots[..index].iter().any(|other| other.node.response_key().node == *key) {
                        return Err(Fault::invalid(format!(
                            "A mutation may not select `{key}` twice; give one of them an alias."
                        ))
                        .at(field.pos));
                    }
                }
            }
            OperationType::Subscription => {
                let items = &operation.node.selection_set.node.items;
                let plain = match items.as_slice() {
                    [only] => matches!(&only.node, Selection::Field(field)
                        if !field.node.name.node.starts_with("__") && field.node.directives.is_empty()),
                    _ => false,
                };
                if !plain {
                    return Err(Fault::invalid(
                        "A subscription selects exactly one root field, directly and without directives.",
                    )
                    .at(operation.pos));
                }
            }
        }
        Ok(Operation { name, kind, roots: roots.into_iter().map(|field| field.node.name.node.to_string()).collect() })
    }

    /// Root fields with fragments written out; bounded, because the whole was measured before.
    fn roots(&self, set: &'a SelectionSet, into: &mut Vec<&'a Positioned<Field>>) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => into.push(field),
                Selection::InlineFragment(inline) => {
                    self.roots(&inline.node.selection_set.node, into);
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = self.ast.fragments.get(name) {
                        self.roots(&fragment.node.selection_set.node, into);
                    }
                }
            }
        }
    }
}

fn is_introspection_step(name: &str) -> bool {
    matches!(
        name,
        "types"
            | "type"
            | "ofType"
            | "args"
            | "queryType"
            | "mutationType"
            | "subscriptionType"
            | "directives"
            | "enumValues"
    )
}

/// Validation skips `__typename` altogether, so what may stand on it is checked here.
fn typename_is_plain(field: &Positioned<Field>) -> Result<(), Fault> {
    if !field.node.arguments.is_empty() || !field.node.selection_set.node.items.is_empty() {
        return Err(Fault::invalid("`__typename` takes no arguments and has no fields.").at(field.pos));
    }
    let directives: &[Positioned<Directive>] = &field.node.directives;
    for (index, directive) in directives.iter().enumerate() {
        let name = &directive.node.name.node;
        let known = matches!(name.as_str(), "skip" | "include")
            && matches!(directive.node.arguments.as_slice(), [(argument, _)] if argument.node == "if");
        let repeated = directives[..index].iter().any(|other| other.node.name.node == *name);
        if !known || repeated {
            return Err(Fault::invalid(format!(
                "Directive `@{name}` is unknown, repeated or lacks its argument `if`."
            ))
            .at(directive.pos));
        }
    }
    Ok(())
}
