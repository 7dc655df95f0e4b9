//! Lines of older formats, converted into the current one. It knows the shape of formats 1 and 2,
//! and not the meaning of the events.

use serde_json::{Map, Value, json};

/// Returns an entry of the current format. In formats 1 and 2 an event's name stood beside its
/// fields, and a fact's value did not name its kind.
pub(super) fn in_current_format(line: Value) -> Value {
    let Value::Object(mut fields) = line else { return line };
    let Some(Value::String(name)) = fields.get("event").cloned() else {
        return Value::Object(fields);
    };
    let at_ms = fields.remove("at_ms");
    fields.remove("event");
    json!({ "at_ms": at_ms, "event": { name.as_str(): event(&name, fields) } })
}

fn event(name: &str, mut fields: Map<String, Value>) -> Value {
    match name {
        "end" => match fields.get("passed") {
            Some(Value::Bool(true)) => json!("passed"),
            _ => json!("failed"),
        },
        "fact" => {
            let value = fields.remove("value").map_or(Value::Null, fact);
            fields.insert("value".to_owned(), value);
            Value::Object(fields)
        }
        _ => Value::Object(fields),
    }
}

fn fact(value: Value) -> Value {
    match value {
        Value::Bool(value) => json!({ "bool": value }),
        Value::Number(value) => json!({ "count": value }),
        Value::String(value) => json!({ "text": value }),
        Value::Array(values) => {
            json!({ "list": values.into_iter().map(fact).collect::<Vec<_>>() })
        }
        Value::Null | Value::Object(_) => value,
    }
}
