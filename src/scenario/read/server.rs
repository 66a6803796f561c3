//! `[server]`: which server is wished for.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::de::DeValue;

use crate::scenario::table::Table;
use crate::scenario::value::Value;
use crate::scenario::{CommandWish, Engine, ExternalWish, ProviderWish, ServerWish, UrlWish};

/// How long a program may take that makes a server or takes it back: to restore a cloud snapshot takes many minutes.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);

pub(super) fn read(server: &mut Table<'_>, engine: Engine) -> ServerWish {
    let written = server.take("provider");
    let provider = written.as_ref().and_then(|value| {
        let words = [
            ("auto", ProviderWish::Auto),
            ("container", ProviderWish::Container),
            ("local", ProviderWish::Local),
            ("external", ProviderWish::External),
            ("command", ProviderWish::Command),
        ];
        value.word(&words, &[])
    });
    let version = server.take("version").and_then(|value| version(&value, engine));
    let (image, settings) = (server.take("image"), server.take("settings"));
    let running = running(server, engine);
    let provider = match (running.provider(), provider) {
        (None, Some(ProviderWish::External)) => {
            server.missing("external", "external = { url = \"env:SCRATCH_URL\" }");
            ProviderWish::External
        }
        (None, Some(ProviderWish::Command)) => {
            server.missing("command", "command = { up = \"./clone.sh\", down = \"./drop.sh\" }");
            ProviderWish::Command
        }
        (None, provider) => provider.unwrap_or_default(),
        (Some((of_table, _)), None) => of_table,
        (Some((of_table, header)), Some(provider)) => {
            if provider != of_table
                && let Some(written) = &written
            {
                let help = format!("remove one of the two: `{header}` alone says enough");
                written.problem(&format!("is another provider than that of `{header}`"), help);
            }
            of_table
        }
    };
    if let Some((_, header)) = running.provider() {
        for value in image.iter().chain(&settings) {
            let help = "remove it: that server has its image and its settings already";
            value.problem(&format!("means nothing beside `{header}`"), help);
        }
    }
    let Running { external, command } = running;
    ServerWish {
        engine,
        version,
        image: image.and_then(|value| self::image(&value, provider)),
        provider,
        settings: settings.map(|value| allowed(&value, engine)).unwrap_or_default(),
        external,
        command,
    }
}

/// A server that runs already when it is asked for.
struct Running {
    external: Option<ExternalWish>,
    command: Option<CommandWish>,
}

impl Running {
    /// The provider, with the header of its table.
    fn provider(&self) -> Option<(ProviderWish, &'static str)> {
        let external = self.external.as_ref().map(|_| (ProviderWish::External, "[server.external]"));
        external.or(self.command.as_ref().map(|_| (ProviderWish::Command, "[server.command]")))
    }
}

fn running(server: &mut Table<'_>, engine: Engine) -> Running {
    let external = server.optional("external", |table| ExternalWish {
        url: table
            .require("url", "url = \"env:SCRATCH_URL\"")
            .and_then(|value| url(&value, engine))
            .unwrap_or(UrlWish::Written(String::new())),
        in_place: table.take("in_place").and_then(|value| value.truth()).unwrap_or(false),
        shared: table.take("shared").and_then(|value| value.truth()).unwrap_or(false),
    });
    let mut place = None;
    let command = server.optional("command", |table| {
        place = Some(table.span().clone());
        CommandWish {
            up: program(table.require("up", "up = \"./clone.sh\"")),
            down: program(table.require("down", "down = \"./drop.sh\"")),
            timeout: table.take("timeout").and_then(|value| timeout(&value)).unwrap_or(DEFAULT_TIMEOUT),
            folder: table.document().folder().to_owned(),
            in_place: table.take("in_place").and_then(|value| value.truth()).unwrap_or(true),
            shared: table.take("shared").and_then(|value| value.truth()).unwrap_or(false),
        }
    });
    if let (Some(_), Some(span)) = (&external, place) {
        let help = "a rehearsal has one server: remove one of the two";
        server.document().problem(&span, "`[server.command]` stands beside `[server.external]`".to_owned(), help);
    }
    Running { external, command }
}

fn program(value: Option<Value<'_>>) -> String {
    value.and_then(|value| value.string().map(str::to_owned)).unwrap_or_default()
}

fn timeout(value: &Value<'_>) -> Option<Duration> {
    let timeout = value.duration()?;
    if timeout.is_zero() { value.refuse("must be longer than nothing", "write \"30m\"") } else { Some(timeout) }
}

/// A URL, or where it is. A password in a file that is committed is everybody's, so there is none here.
fn url(value: &Value<'_>, engine: Engine) -> Option<UrlWish> {
    let text = value.string()?;
    if let Some(name) = text.strip_prefix("env:") {
        if name.is_empty() || name.contains(['=', ' ']) {
            return value.refuse("names no variable", "write `env:SCRATCH_URL`, and put the URL into SCRATCH_URL");
        }
        return Some(UrlWish::Variable(name.to_owned()));
    }
    let schemes: &[&str] = match engine {
        Engine::Postgres => &["postgresql://", "postgres://"],
        Engine::Mysql => &["mysql://"],
        Engine::Mariadb => &["mariadb://", "mysql://"],
    };
    let Some(rest) = schemes.iter().find_map(|scheme| text.strip_prefix(scheme)) else {
        let help = format!("write `env:SCRATCH_URL`, or a URL that begins with {}", schemes.join(" or "));
        return value.refuse("is no URL of this engine", help);
    };
    let login = rest.split(['/', '?']).next().unwrap_or_default().rsplit_once('@').map_or("", |(login, _)| login);
    if login.contains(':') || rest.contains("password=") {
        let help = "write `env:SCRATCH_URL`, and put the URL with its password into the variable SCRATCH_URL";
        return value.refuse("must not hold a password", help);
    }
    Some(UrlWish::Written(text.to_owned()))
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

fn image(value: &Value<'_>, provider: ProviderWish) -> Option<String> {
    let image = value.string()?;
    if provider == ProviderWish::Local {
        let help = "remove it, or write `provider = \"container\"`";
        return value.refuse("means nothing to local server binaries", help);
    }
    Some(image.to_owned())
}

/// Settings as text, without those that are not the scenario's.
fn allowed(value: &Value<'_>, engine: Engine) -> BTreeMap<String, String> {
    for (name, value) in value.entries() {
        if ours(engine).iter().any(|ours| name.replace('-', "_").eq_ignore_ascii_case(ours)) {
            let help = "remove it: each scratch server has a folder and a place to listen of its own";
            value.document.problem(&value.key_span, format!("`{name}` cannot be set for a scratch server"), help);
        }
    }
    settings(value, engine)
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

/// Settings by which a server would be looked for where it is not.
fn ours(engine: Engine) -> &'static [&'static str] {
    match engine {
        Engine::Postgres => &["port", "unix_socket_directories", "data_directory", "config_file", "hba_file"],
        Engine::Mysql | Engine::Mariadb => &["port", "socket", "datadir", "pid_file", "skip_networking"],
    }
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
