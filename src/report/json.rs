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
    use crate::run::Algorithm;
    use crate::scenario::Engine;
    use crate::verdict::testing::{facts, facts_on, migration, statement};

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

    /// Keys that only one engine's record has, in a record of the other: one that was saved before there were two engines
    /// has none of them either.
    #[test]
    fn a_record_of_either_engine_is_read_as_it_was_written() {
        const OF_MYSQL: [&str; 6] =
            ["algorithm", "row_versions", "lock_wait_timeout_s", "implicit_commit", "redo_bytes", "half_applied"];
        let alter = || statement(1, "ALTER TABLE orders ADD k INT", 20);
        let of_mysql = alter().by(Algorithm::Instant).row_versions("orders", 3).with(|statement| {
            (statement.lock_wait_timeout_s, statement.implicit_commit) = (Some(5), true);
            (statement.counters.redo_bytes, statement.counters.binlog_bytes) = (Some(Some(9)), Some(None));
        });
        let kept = migration("0002").statement(of_mysql).keeps(&[0], Some((1, 1060, "Duplicate column name 'k'")));
        for (facts, has) in [
            (facts().migration(migration("0002").statement(alter())), false),
            (facts_on(Engine::Mysql).migration(kept), true),
        ] {
            let run = facts.judged();
            let text = json(&run);
            for key in OF_MYSQL {
                assert_eq!(text.contains(&format!("\"{key}\":")), has, "{key}");
            }
            assert_eq!(Run::from_json(&text).expect("a record"), run);
        }
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
