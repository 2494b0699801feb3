//! The schema as the transport needs it: which field has which type and which arguments say how many,
//! and what variables may hold. Read once from the schema's own SDL, because the executor keeps its
//! registry to itself.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    Value,
    parser::{
        parse_schema,
        types::{BaseType, FieldDefinition, InputValueDefinition, Type, TypeKind, TypeSystemDefinition},
    },
};

/// A field of an object or interface.
pub struct FieldShape {
    /// The type's name, lists and non-null taken off.
    pub named: String,
    /// Whether it is a list (of anything).
    pub list: bool,
    /// Its arguments' defaults, by name; `None` where there is none.
    pub arguments: HashMap<String, Option<Value>>,
}

/// A field of an input object.
pub struct InputShape {
    /// Its type.
    pub ty: Type,
    /// Whether leaving it out is allowed whatever its type says.
    pub defaulted: bool,
}

/// A named type.
pub enum Shape {
    /// Built in or custom.
    Scalar,
    /// The words it admits.
    Enum(HashSet<String>),
    /// The fields it admits.
    Input(HashMap<String, InputShape>),
    /// Objects and interfaces.
    Fields(HashMap<String, FieldShape>),
    /// Unions.
    Union,
}

/// All named types and the roots.
pub struct Catalogue {
    types: HashMap<String, Shape>,
    query: String,
    mutation: String,
    subscription: String,
}

impl Catalogue {
    /// Reads the SDL of a schema.
    pub fn read(sdl: &str) -> Result<Self, String> {
        let document = parse_schema(sdl).map_err(|error| error.to_string())?;
        let mut catalogue = Self {
            types: HashMap::new(),
            query: "Query".to_owned(),
            mutation: "Mutation".to_owned(),
            subscription: "Subscription".to_owned(),
        };
        for definition in document.definitions {
            match definition {
                TypeSystemDefinition::Schema(schema) => {
                    let schema = schema.node;
                    if let Some(name) = schema.query {
                        catalogue.query = name.node.to_string();
                    }
                    if let Some(name) = schema.mutation {
                        catalogue.mutation = name.node.to_string();
                    }
                    if let Some(name) = schema.subscription {
                        catalogue.subscription = name.node.to_string();
                    }
                }
                TypeSystemDefinition::Type(ty) => {
                    let name = ty.node.name.node.to_string();
                    catalogue.types.insert(name, shape(ty.node.kind));
                }
                TypeSystemDefinition::Directive(_) => {}
            }
        }
        Ok(catalogue)
    }

    /// The name of the root type of an operation.
    pub fn root(&self, kind: async_graphql::parser::types::OperationType) -> &str {
        use async_graphql::parser::types::OperationType;
        match kind {
            OperationType::Query => &self.query,
            OperationType::Mutation => &self.mutation,
            OperationType::Subscription => &self.subscription,
        }
    }

    /// A type by name; `None` for built-in scalars and for what does not exist.
    pub fn shape(&self, name: &str) -> Option<&Shape> {
        self.types.get(name)
    }

    /// A field of an object or interface.
    pub fn field(&self, parent: &str, name: &str) -> Option<&FieldShape> {
        match self.types.get(parent) {
            Some(Shape::Fields(fields)) => fields.get(name),
            _ => None,
        }
    }

    /// Whether a type has fields of its own.
    pub fn is_composite(&self, name: &str) -> bool {
        matches!(self.types.get(name), Some(Shape::Fields(_) | Shape::Union))
    }
}

fn shape(kind: TypeKind) -> Shape {
    match kind {
        TypeKind::Scalar => Shape::Scalar,
        TypeKind::Object(object) => Shape::Fields(fields(object.fields.into_iter().map(|field| field.node))),
        TypeKind::Interface(interface) => Shape::Fields(fields(interface.fields.into_iter().map(|field| field.node))),
        TypeKind::Union(_) => Shape::Union,
        TypeKind::Enum(words) => {
            Shape::Enum(words.values.into_iter().map(|word| word.node.value.node.to_string()).collect())
        }
        TypeKind::InputObject(input) => {
            Shape::Input(input.fields.into_iter().map(|field| input_field(field.node)).collect())
        }
    }
}

fn fields(definitions: impl Iterator<Item = FieldDefinition>) -> HashMap<String, FieldShape> {
    definitions
        .map(|field| {
            let (named, list) = named(&field.ty.node);
            let arguments = field
                .arguments
                .into_iter()
                .map(|argument| {
                    let argument = argument.node;
                    (argument.name.node.to_string(), argument.default_value.map(|value| value.node))
                })
                .collect();
            (field.name.node.to_string(), FieldShape { named, list, arguments })
        })
        .collect()
}

fn input_field(field: InputValueDefinition) -> (String, InputShape) {
    (field.name.node.to_string(), InputShape { defaulted: field.default_value.is_some(), ty: field.ty.node })
}

fn named(ty: &Type) -> (String, bool) {
    match &ty.base {
        BaseType::Named(name) => (name.to_string(), false),
        BaseType::List(inner) => (named(inner).0, true),
    }
}
