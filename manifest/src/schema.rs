//! The JSON Schemas of the app manifest and the board file (draft 2020-12), made from the types: for editors, which complete
//! and check by them.
//!
//! They say no more than the types and the bounds beside them, and less than both where JSON Schema cannot say it (a path
//! without `..`, an address range without bits behind its prefix): what they refuse, the parser or `grant/` refuses.

use crate::{
    app::{AppManifest, SchemaVersion},
    board::{Board, I2cAddress},
    destination::{Destination, Port, PortRange},
    names::{CatalogId, CleanPath, ComponentId, DeviceName, DisplayName, PeripheralName},
    quantity::{Bytes, Delay, Seconds},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::Value;
use std::borrow::Cow;

/// The schema of `app_manifest.json`.
pub fn app_manifest() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<AppManifest>().to_value()
}

/// The schema of a board file.
pub fn board() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Board>().to_value()
}

/// Says how a type that is read by hand looks in JSON.
macro_rules! looks {
    ($type:ty, {$($schema:tt)*}) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({$($schema)*})
            }
        }
    };
}

looks!(SchemaVersion, { "const": 1 });
looks!(ComponentId, {
    "type": "string",
    "pattern": "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"
});
looks!(CleanPath, { "type": "string", "maxLength": 255, "pattern": "^(/([^/.][^/]*|\\.[^/.][^/]*|\\.\\.[^/]+))+$" });
looks!(PeripheralName, { "type": "string", "pattern": "^\\$?[A-Za-z0-9_-]{1,64}$" });
looks!(DeviceName, { "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:+-]{0,62}$" });
looks!(DisplayName, { "type": "string", "minLength": 1, "maxLength": 64 });
looks!(I2cAddress, { "type": "string", "pattern": "^0x(0[89A-Fa-f]|[1-6][0-9A-Fa-f]|7[0-7])$" });
looks!(CatalogId, { "type": "string", "maxLength": 63 });
looks!(Port, { "type": "integer", "minimum": 1, "maximum": 65535 });
looks!(PortRange, { "anyOf": [
    { "type": "integer", "minimum": 1, "maximum": 65535 },
    { "type": "string", "pattern": "^[1-9][0-9]{0,4}-[1-9][0-9]{0,4}$" },
]});
looks!(Destination, { "type": "string", "pattern": "^[0-9A-Za-z_:.-]{1,253}(/[0-9]{1,3})?$" });
looks!(Bytes, { "anyOf": [
    { "type": "integer", "minimum": 0 },
    { "type": "string", "pattern": "^[0-9]{1,19}(GiB|MiB|KiB|B)?$" },
]});
looks!(Seconds, { "type": "integer", "minimum": 0, "maximum": 86400 });
looks!(Delay, { "anyOf": [
    { "type": "integer", "minimum": 0, "maximum": 86400 },
    { "type": "string", "pattern": "^[0-9]{1,8}(h|min|s|ms)$" },
]});

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test arranges its files as it likes")]
mod tests {
    use super::*;
    use proptest::{prelude::*, string::string_regex};

    /// After a change: `UPDATE_GENERATED=1 cargo test -p manifest --features schema`.
    #[test]
    fn the_schemas_in_the_repository_are_those_of_the_types() {
        for (file, schema) in [("app_manifest.schema.json", app_manifest()), ("board.schema.json", board())] {
            let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
            let made = serde_json::to_string_pretty(&schema).unwrap() + "\n";
            if std::env::var_os("UPDATE_GENERATED").is_some() {
                std::fs::write(&path, &made).unwrap();
            }
            assert!(std::fs::read_to_string(&path).unwrap() == made, "{path} is not what the types say: UPDATE_GENERATED=1");
        }
    }

    /// Each object of the schemas is closed, and each of its fields says what it is for.
    #[test]
    fn every_object_is_closed_and_every_field_has_words() {
        fn look(at: &str, value: &Value, objects: &mut usize) {
            if let Some(fields) = value.get("properties").and_then(Value::as_object) {
                *objects += 1;
                assert_eq!(value.get("additionalProperties"), Some(&Value::Bool(false)), "{at} is open");
                for (name, field) in fields {
                    assert!(field.get("description").is_some(), "{at}.{name} has no words");
                }
            }
            match value {
                Value::Object(map) => map.iter().for_each(|(key, value)| look(&format!("{at}.{key}"), value, objects)),
                Value::Array(list) => list.iter().for_each(|value| look(at, value, objects)),
                _ => {}
            }
        }
        let mut objects = 0;
        look("", &app_manifest(), &mut objects);
        assert_eq!(objects, 8, "manifest, Capabilities, connection, storage, Holdfast, Io, BackOff, Log");
        objects = 0;
        look("", &board(), &mut objects);
        assert_eq!(objects, 12, "board, nine kinds of entries, simulator, its PWM chip");
    }

    fn pattern(type_of: &dyn Fn(&mut SchemaGenerator) -> Schema) -> String {
        let schema = type_of(&mut SchemaGenerator::default());
        schema.get("pattern").and_then(Value::as_str).unwrap().trim_start_matches('^').trim_end_matches('$').to_owned()
    }

    proptest! {
        #[test]
        fn what_the_patterns_admit_the_parsers_take(
            id in string_regex(&pattern(&ComponentId::json_schema)).unwrap(),
            path in string_regex(&pattern(&CleanPath::json_schema)).unwrap(),
            name in string_regex(&pattern(&PeripheralName::json_schema)).unwrap(),
            device in string_regex(&pattern(&DeviceName::json_schema)).unwrap(),
            address in string_regex(&pattern(&I2cAddress::json_schema)).unwrap(),
        ) {
            prop_assert!(device.parse::<DeviceName>().is_ok(), "{}", device);
            prop_assert!(address.parse::<I2cAddress>().is_ok(), "{}", address);
            prop_assert!(id.parse::<ComponentId>().is_ok(), "{}", id);
            prop_assert!(name.parse::<PeripheralName>().is_ok(), "{}", name);
            if path.len() <= 255 && path.chars().all(text::is_shown) {
                prop_assert!(path.parse::<CleanPath>().is_ok(), "{}", path);
            }
        }
    }
}
