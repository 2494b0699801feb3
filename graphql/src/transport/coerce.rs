//! Variables held against their declared types before anything runs, so that a wrong value is a refusal
//! of the request and not an error of some field. Custom scalars are left to their own parsers.
//! Messages name the place and the kind of value found, never the value: it may be a secret.

use async_graphql::{
    Value, Variables,
    parser::types::{BaseType, OperationDefinition, Type},
};

use super::{
    catalogue::{Catalogue, Shape},
    code::{Code, Fault},
};

/// Checks every declared variable of `operation`.
pub fn variables(operation: &OperationDefinition, given: &Variables, catalogue: &Catalogue) -> Result<(), Fault> {
    for definition in &operation.variable_definitions {
        let declared = &definition.node;
        let name = &declared.name.node;
        let ty = &declared.var_type.node;
        let outcome = match given.get(name) {
            Some(value) if holds_nul(value) => Err("a text may not hold a NUL character".to_owned()),
            Some(value) => check(value, ty, catalogue, &mut Vec::new()),
            None if ty.nullable || declared.default_value.is_some() => Ok(()),
            None => Err(format!("a value of type {ty} is required")),
        };
        if let Err(why) = outcome {
            return Err(Fault::new(Code::BadUserInput, format!("Variable `${name}`: {why}.")).at(definition.pos));
        }
    }
    Ok(())
}

/// Whether a text in it holds what no column and no header can.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::List(items) => items.iter().any(holds_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

fn check(value: &Value, ty: &Type, catalogue: &Catalogue, path: &mut Vec<String>) -> Result<(), String> {
    if matches!(value, Value::Null) {
        return if ty.nullable { Ok(()) } else { Err(complaint(path, &ty.to_string(), value)) };
    }
    match (&ty.base, value) {
        (BaseType::List(inner), Value::List(items)) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                check(item, inner, catalogue, path)?;
                path.pop();
            }
            Ok(())
        }
        // A single value stands for a list of one.
        (BaseType::List(inner), single) => check(single, inner, catalogue, path),
        (BaseType::Named(name), value) => named(value, name, catalogue, path),
    }
}

fn named(value: &Value, name: &str, catalogue: &Catalogue, path: &mut Vec<String>) -> Result<(), String> {
    let fits = match name {
        "Int" => matches!(value, Value::Number(number)
            if number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())),
        "Float" => matches!(value, Value::Number(_)),
        "String" => matches!(value, Value::String(_)),
        "Boolean" => matches!(value, Value::Boolean(_)),
        "ID" => match value {
            Value::String(_) => true,
            Value::Number(number) => number.is_i64() || number.is_u64(),
            _ => false,
        },
        _ => match catalogue.shape(name) {
            Some(Shape::Enum(words)) => match value {
                Value::String(word) => words.contains(word),
                Value::Enum(word) => words.contains(word.as_str()),
                _ => false,
            },
            Some(Shape::Input(fields)) => {
                let Value::Object(object) = value else {
                    return Err(complaint(path, name, value));
                };
                if let Some(unknown) = object.keys().find(|key| !fields.contains_key(key.as_str())) {
                    let unknown: String = unknown.chars().take(64).collect();
                    return Err(format!("{}`{name}` has no field `{unknown}`", place(path)));
                }
                for (key, field) in fields {
                    match object.get(key.as_str()) {
                        Some(value) => {
                            path.push(key.clone());
                            check(value, &field.ty, catalogue, path)?;
                            path.pop();
                        }
                        None if field.ty.nullable || field.defaulted => {}
                        None => return Err(format!("{}field `{key}` is required", place(path))),
                    }
                }
                true
            }
            _ => true,
        },
    };
    if fits { Ok(()) } else { Err(complaint(path, name, value)) }
}

fn place(path: &[String]) -> String {
    if path.is_empty() { String::new() } else { format!("at `{}`: ", path.join(".")) }
}

fn complaint(path: &[String], wanted: &str, found: &Value) -> String {
    let found = match found {
        Value::Null => "null",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) if wanted == "Int" => "a number beyond 32 bits",
        Value::Number(_) => "a number",
        Value::String(_) if matches!(wanted, "Int" | "Float" | "Boolean") => "text",
        Value::String(_) | Value::Enum(_) => "another word",
        Value::Boolean(_) => "true or false",
        Value::Binary(_) => "bytes",
        Value::List(_) => "a list",
        Value::Object(_) => "an object",
    };
    format!("{}expected {wanted}, found {found}", place(path))
}
