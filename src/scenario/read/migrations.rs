//! `[migrations]`: what is to be applied, and with what.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::scenario::table::Table;
use crate::scenario::value::Value;
use crate::scenario::{Engine, MigrationsWish, Tool, TransactionMode};

/// How long a migration may take, when the scenario does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);

/// Tools that shall have a table of their own, and the command that runs each of them today.
const LATER: [(&str, &str); 12] = [
    ("alembic", "alembic upgrade head"),
    ("django", "python manage.py migrate"),
    ("flyway", "flyway migrate"),
    ("liquibase", "liquibase update"),
    ("rails", "bin/rails db:migrate"),
    ("golang-migrate", "migrate -path migrations -database $DATABASE_URL up"),
    ("goose", "goose -dir migrations up"),
    ("dbmate", "dbmate up"),
    ("sqlx", "sqlx migrate run"),
    ("diesel", "diesel migration run"),
    ("prisma", "npx prisma migrate deploy"),
    ("atlas", "atlas migrate apply --url $DATABASE_URL"),
];

/// What to write for a tool that has no table yet.
fn instead(name: &str, command: &str, engine: Engine) -> String {
    let command = match (engine, name) {
        // As Go's driver has it written.
        (Engine::Mysql | Engine::Mariadb, "golang-migrate") => {
            "'migrate -path migrations -database \"mysql://$GOOSE_DBSTRING\" up'".to_owned()
        }
        _ => format!("\"{command}\""),
    };
    format!("`[migrations.tool.command]` can run it today, with `command = {command}`")
}

/// Variables that lead to the measured server. Another value would lead past the measuring, or to a server that matters.
const OURS_ALL: [&str; 12] = [
    "DATABASE_URL",
    "FLYWAY_PASSWORD",
    "FLYWAY_URL",
    "FLYWAY_USER",
    "GOOSE_DBSTRING",
    "GOOSE_DRIVER",
    "LIQUIBASE_COMMAND_PASSWORD",
    "LIQUIBASE_COMMAND_URL",
    "LIQUIBASE_COMMAND_USERNAME",
    "SPRING_DATASOURCE_PASSWORD",
    "SPRING_DATASOURCE_URL",
    "SPRING_DATASOURCE_USERNAME",
];
const OURS_POSTGRES: &[&str] = &["PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSERVICE"];
const OURS_MYSQL: &[&str] = &[
    "MARIADB_DATABASE",
    "MARIADB_HOST",
    "MARIADB_PASSWORD",
    "MARIADB_PORT",
    "MARIADB_USER",
    "MYSQL_DATABASE",
    "MYSQL_HOME",
    "MYSQL_HOST",
    "MYSQL_PASSWORD",
    "MYSQL_PORT",
    "MYSQL_PWD",
    "MYSQL_TCP_PORT",
    "MYSQL_TEST_LOGIN_FILE",
    "MYSQL_UNIX_PORT",
    "MYSQL_USER",
];

pub(super) fn read(migrations: &mut Table<'_>, engine: Engine) -> MigrationsWish {
    let path = migrations.take("path");
    let applied_through = migrations.take("applied_through");
    let timeout = migrations.take("timeout").and_then(|value| timeout(&value));
    let wanted = migrations.table("tool", |table| tool(table, engine));
    let tool = match wanted {
        Wanted::Sql(transaction) => {
            let transaction = transaction.unwrap_or(by_default(engine));
            if path.is_none() {
                migrations.missing("path", "path = \"migrations\"");
            }
            Tool::Sql { path: path.and_then(|value| value.existing_path()).unwrap_or_default(), transaction }
        }
        Wanted::Command { command, folder, env } => {
            for value in path.iter().chain(&applied_through) {
                let help = "remove it: the command itself knows its migrations, and which are pending";
                value.problem("means nothing to `[migrations.tool.command]`", help);
            }
            Tool::Command { command, folder, env }
        }
        // Refused by name, so what else it would need is not to be asked for.
        Wanted::Later => Tool::Sql { path: PathBuf::new(), transaction: TransactionMode::default() },
    };
    MigrationsWish {
        applied_through: applied_through.and_then(|value| value.string().map(str::to_owned)),
        tool,
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
    }
}

/// What one transaction holds, when the scenario does not say: nothing where every change of the schema commits anyway.
fn by_default(engine: Engine) -> TransactionMode {
    match engine {
        Engine::Postgres => TransactionMode::File,
        Engine::Mysql | Engine::Mariadb => TransactionMode::None,
    }
}

/// What `[migrations.tool.…]` says, on its own.
enum Wanted {
    Sql(Option<TransactionMode>),
    Command { command: String, folder: PathBuf, env: BTreeMap<String, String> },
    Later,
}

fn tool(tool: &mut Table<'_>, engine: Engine) -> Wanted {
    only_one(tool);
    let sql = tool.optional("sql", |table| sql(table, engine));
    let command = tool.optional("command", |table| command(table, engine));
    for (name, command) in LATER {
        tool.not_yet(name, &instead(name, command, engine));
    }
    match sql.or(command) {
        Some(wanted) => wanted,
        None if tool.values().is_empty() && !tool.is_mistaken() => Wanted::Sql(None),
        None => Wanted::Later,
    }
}

fn only_one(tool: &Table<'_>) {
    let values = tool.values();
    if let [first, others @ ..] = &values[..] {
        for other in others {
            let help = format!("keep one of them; the first is `[{}]`", first.name);
            tool.document().problem(&other.key_span, format!("`[{}]` is a second tool", other.name), help);
        }
    }
}

fn sql(sql: &mut Table<'_>, engine: Engine) -> Wanted {
    let words =
        [("file", TransactionMode::File), ("statement", TransactionMode::Statement), ("none", TransactionMode::None)];
    let transaction = sql.take("transaction");
    let mode = transaction.as_ref().and_then(|value| value.word(&words, &[]));
    if let (Some(value), Some(TransactionMode::File), Engine::Mysql | Engine::Mariadb) = (&transaction, mode, engine) {
        let help = "remove it: files are sent as they are written, statement by statement; a START TRANSACTION of their own is \
                    kept";
        value.problem(&format!("cannot be `file` on {engine}, where every change of the schema commits"), help);
    }
    Wanted::Sql(mode)
}

fn command(tool: &mut Table<'_>, engine: Engine) -> Wanted {
    let command = tool.require("command", "command = \"bin/migrate\"");
    let env = tool.take("env").map(|value| value.entries()).unwrap_or_default();
    Wanted::Command {
        command: command.and_then(|value| value.string().map(str::to_owned)).unwrap_or_default(),
        folder: match tool.take("folder") {
            Some(value) => folder(&value).unwrap_or_default(),
            None => tool.document().folder().to_owned(),
        },
        env: env.iter().filter_map(|(name, value)| variable(name, value, engine)).collect(),
    }
}

fn folder(value: &Value<'_>) -> Option<PathBuf> {
    let path = value.existing_path()?;
    if path.is_dir() { Some(path) } else { value.refuse("must be a folder", "name the folder to run the command in") }
}

fn variable(name: &str, value: &Value<'_>, engine: Engine) -> Option<(String, String)> {
    let refuse = |message: String, help: &str| {
        value.document.problem(&value.key_span, message, help);
        None
    };
    let ours = if engine == Engine::Postgres { OURS_POSTGRES } else { OURS_MYSQL };
    if ours.contains(&name) || OURS_ALL.contains(&name) {
        return refuse(format!("`{name}` cannot be set here"), "remove it: rehearsal sets it, to the scratch server");
    }
    if name.is_empty() || name.contains(['=', '\0']) {
        return refuse(format!("`{name}` is no name of a variable"), "write letters, digits and `_`");
    }
    let text = value.scalar()?;
    if text.starts_with("env:") {
        value.not_yet(&format!("`{text}`"), "write the value itself");
        return None;
    }
    Some((name.to_owned(), text))
}

fn timeout(value: &Value<'_>) -> Option<Duration> {
    let timeout = value.duration()?;
    if timeout.is_zero() { value.refuse("must be longer than nothing", "write \"1h\"") } else { Some(timeout) }
}
