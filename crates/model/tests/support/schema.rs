//! A validator of JSON Schema as far as `profile.schema.json` uses it. A keyword that it does not
//! know is an error, so the schema cannot promise what is not checked.

use serde_json::{Map, Value};

const WORDS: [&str; 5] = ["$schema", "title", "description", "$defs", "required"];

/// Why `value` is not what `schema` describes; none when it is.
pub fn violation(schema: &Value, value: &Value) -> Option<String> {
    check(schema, schema, value, "").err()
}

type Checked = Result<(), String>;

fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Checked {
    let keywords = schema.as_object().ok_or("a schema is no object")?;
    for (keyword, wanted) in keywords {
        let holds = keyword_holds(root, keywords, (keyword, wanted), value, at)?;
        if !holds {
            return Err(format!("{at}: {value} breaks {keyword} {wanted}"));
        }
    }
    Ok(())
}

fn keyword_holds(
    root: &Value,
    schema: &Map<String, Value>,
    (keyword, wanted): (&str, &Value),
    value: &Value,
    at: &str,
) -> Result<bool, String> {
    let number = |compare: fn(f64, f64) -> bool| {
        let bounds = value.as_f64().zip(wanted.as_f64());
        bounds.is_none_or(|(value, bound)| compare(value, bound))
    };
    Ok(match keyword {
        "$ref" => {
            let path = wanted.as_str().and_then(|path| path.strip_prefix('#'));
            let target = path.and_then(|path| root.pointer(path));
            let target = target.ok_or_else(|| format!("{wanted} points nowhere"))?;
            return check(root, target, value, at).map(|()| true);
        }
        "type" => has_type(value, wanted.as_str().unwrap_or_default())?,
        "const" => value == wanted,
        "enum" => wanted.as_array().is_some_and(|all| all.contains(value)),
        "minimum" => number(|value, bound| value >= bound),
        "maximum" => number(|value, bound| value <= bound),
        "exclusiveMinimum" => number(|value, bound| value > bound),
        "minItems" => value.as_array().map(|items| items.len() as u64) >= wanted.as_u64(),
        "oneOf" => {
            let all = wanted.as_array().into_iter().flatten();
            all.filter(|one| check(root, one, value, at).is_ok())
                .count()
                == 1
        }
        "items" => {
            for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                check(root, wanted, item, &format!("{at}[{i}]"))?;
            }
            true
        }
        "properties" | "additionalProperties" => {
            return object(root, schema, value, at).map(|()| true);
        }
        known if WORDS.contains(&known) => true,
        unknown => return Err(format!("the validator does not know {unknown}")),
    })
}

fn has_type(value: &Value, name: &str) -> Result<bool, String> {
    Ok(match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => return Err(format!("the validator does not know type {other}")),
    })
}

/// `required`, `properties` and `additionalProperties: false` together.
fn object(root: &Value, schema: &Map<String, Value>, value: &Value, at: &str) -> Checked {
    let Some(fields) = value.as_object() else {
        return Ok(());
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties.ok_or("an object without properties")?;
    let required = schema.get("required").and_then(Value::as_array);
    for key in required.into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(key) {
            return Err(format!("{at}: {key} is missing"));
        }
    }
    for (key, field) in fields {
        match properties.get(key) {
            Some(property) => check(root, property, field, &format!("{at}.{key}"))?,
            None => return Err(format!("{at}: {key} is not known")),
        }
    }
    Ok(())
}
