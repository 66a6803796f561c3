//! The record as JSON, and the JSON Schema that says its form.

use schemars::generate::SchemaSettings;

use crate::run::Run;

/// The record as it is written to a file.
pub fn json(run: &Run) -> String {
    run.to_json()
}

/// The JSON Schema (draft 2020-12) of the record as this version writes it: keys that are always there are required.
///
/// # Panics
/// Never: a schema holds nothing that JSON cannot say.
pub fn schema() -> String {
    let schema = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Run>();
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain data");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::verdict::testing::facts;

    /// After a wanted change of the record's types, `RENEW_SCHEMA=1 cargo test schema` writes the file anew. A change
    /// that makes a reader of the old form misread the new one also needs a new `SCHEMA_VERSION`.
    #[test]
    fn the_schema_that_is_checked_in_is_the_schema_of_the_record() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/run.schema.json");
        if std::env::var_os("RENEW_SCHEMA").is_some() {
            std::fs::write(&path, schema()).expect("fixtures/ can be written");
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == schema(),
            "fixtures/run.schema.json is not what the types of src/run/ say; if the change is wanted, renew it with \
             RENEW_SCHEMA=1 cargo test schema"
        );
    }

    #[test]
    fn a_record_has_every_key_that_the_schema_requires_and_no_other() {
        let schema: serde_json::Value = serde_json::from_str(&schema()).expect("plain");
        let record: serde_json::Value = serde_json::from_str(&json(&facts().judged())).expect("plain");
        let record = record.as_object().expect("a record is an object");
        for key in schema["required"].as_array().expect("there are some") {
            assert!(record.contains_key(key.as_str().expect("a name")), "{key}");
        }
        for key in record.keys() {
            assert!(schema["properties"].get(key).is_some(), "{key}");
        }
    }
}
