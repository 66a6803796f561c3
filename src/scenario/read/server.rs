//! `[server]`: which server is wished for.

use std::collections::BTreeMap;

use toml::de::DeValue;

use crate::scenario::table::Table;
use crate::scenario::value::Value;
use crate::scenario::{Engine, ProviderWish, ServerWish};

pub(super) fn read(server: &mut Table<'_>, engine: Engine) -> ServerWish {
    let provider = server.take("provider").and_then(|value| {
        value.word(
            &[("auto", ProviderWish::Auto), ("container", ProviderWish::Container), ("local", ProviderWish::Local)],
            &["external", "command"],
        )
    });
    let wish = ServerWish {
        engine,
        version: server.take("version").and_then(|value| version(&value, engine)),
        image: server.take("image").and_then(|value| image(&value, provider)),
        provider: provider.unwrap_or_default(),
        settings: server.take("settings").map(|value| settings(&value, engine)).unwrap_or_default(),
    };
    server.not_yet("external", "remove it: `provider` may be `container` or `local`");
    server.not_yet("command", "remove it: `provider` may be `container` or `local`");
    wish
}

fn version(value: &Value<'_>, engine: Engine) -> Option<String> {
    let text = value.string()?;
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !text.split('.').all(number) {
        let example = match engine {
            Engine::Postgres => "a major version, such as \"17\"",
            Engine::Mysql => "a version, such as \"9.7\"",
            Engine::Mariadb => "a version, such as \"11.8\"",
        };
        let help = format!("write {example}, or leave it out for the newest there is");
        return value.refuse(&format!("cannot be `{text}`"), help);
    }
    Some(text.to_owned())
}

fn image(value: &Value<'_>, provider: Option<ProviderWish>) -> Option<String> {
    let image = value.string()?;
    if provider == Some(ProviderWish::Local) {
        let help = "remove it, or write `provider = \"container\"`";
        return value.refuse("means nothing to local server binaries", help);
    }
    Some(image.to_owned())
}

/// Settings as text. Those of extensions have a dot in their name, and are tables to TOML unless it is quoted.
fn settings(value: &Value<'_>, engine: Engine) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for (name, value) in value.entries() {
        if !is_setting_name(name, engine) {
            let help = match engine {
                Engine::Postgres => "write the name as `SHOW` knows it: letters, digits, `_` and `.`",
                Engine::Mysql | Engine::Mariadb => {
                    "write the name as `SHOW VARIABLES` knows it: letters, digits, `_` and `.`"
                }
            };
            value.document.problem(&value.key_span, format!("`{name}` is no name of a setting"), help);
        } else if let DeValue::Table(_) = value.inner {
            let inner = self::settings(&value, engine);
            settings.extend(inner.into_iter().map(|(inner, text)| (format!("{name}.{inner}"), text)));
        } else if let Some(text) = value.scalar() {
            settings.insert(name.to_owned(), text);
        }
    }
    settings
}

/// PostgreSQL's own rule for the names of custom settings ("Customized Options" in its manual), which no name of its own
/// breaks. MySQL's options may be written with `-` for `_` (manual, "Using Options to Set Program Variables").
fn is_setting_name(name: &str, engine: Engine) -> bool {
    let dash = engine != Engine::Postgres;
    name.split('.').all(|part| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$' || (dash && c == '-'))
    })
}
