//! `[migrations]`: what is to be applied, and with what.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::scenario::table::Table;
use crate::scenario::value::Value;
use crate::scenario::{MigrationsWish, Tool, TransactionMode};

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
    ("goose", "goose -dir migrations postgres $DATABASE_URL up"),
    ("dbmate", "dbmate up"),
    ("sqlx", "sqlx migrate run"),
    ("diesel", "diesel migration run"),
    ("prisma", "npx prisma migrate deploy"),
    ("atlas", "atlas migrate apply --url $DATABASE_URL"),
];

/// Variables that lead to the measured server. Another value would lead past the measuring, or to a server that matters.
const OURS: [&str; 8] =
    ["DATABASE_URL", "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSERVICE"];

pub(super) fn read(migrations: &mut Table<'_>) -> MigrationsWish {
    let path = migrations.take("path");
    let applied_through = migrations.take("applied_through");
    let timeout = migrations.take("timeout").and_then(|value| timeout(&value));
    let wanted = migrations.table("tool", tool);
    let tool = match wanted {
        Wanted::Sql(transaction) => {
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

/// What `[migrations.tool.…]` says, on its own.
enum Wanted {
    Sql(TransactionMode),
    Command { command: String, folder: PathBuf, env: BTreeMap<String, String> },
    Later,
}

fn tool(tool: &mut Table<'_>) -> Wanted {
    only_one(tool);
    let sql = tool.optional("sql", sql);
    let command = tool.optional("command", command);
    for (name, instead) in LATER {
        let help = format!("`[migrations.tool.command]` can run it today, with `command = \"{instead}\"`");
        tool.not_yet(name, &help);
    }
    match sql.or(command) {
        Some(wanted) => wanted,
        None if tool.values().is_empty() && !tool.is_mistaken() => Wanted::Sql(TransactionMode::default()),
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

fn sql(sql: &mut Table<'_>) -> Wanted {
    let words =
        [("file", TransactionMode::File), ("statement", TransactionMode::Statement), ("none", TransactionMode::None)];
    Wanted::Sql(sql.take("transaction").and_then(|value| value.word(&words, &[])).unwrap_or_default())
}

fn command(tool: &mut Table<'_>) -> Wanted {
    let command = tool.require("command", "command = \"bin/migrate\"");
    let env = tool.take("env").map(|value| value.entries()).unwrap_or_default();
    Wanted::Command {
        command: command.and_then(|value| value.string().map(str::to_owned)).unwrap_or_default(),
        folder: match tool.take("folder") {
            Some(value) => folder(&value).unwrap_or_default(),
            None => tool.document().folder().to_owned(),
        },
        env: env.iter().filter_map(|(name, value)| variable(name, value)).collect(),
    }
}

fn folder(value: &Value<'_>) -> Option<PathBuf> {
    let path = value.existing_path()?;
    if path.is_dir() { Some(path) } else { value.refuse("must be a folder", "name the folder to run the command in") }
}

fn variable(name: &str, value: &Value<'_>) -> Option<(String, String)> {
    let refuse = |message: String, help: &str| {
        value.document.problem(&value.key_span, message, help);
        None
    };
    if OURS.contains(&name) {
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
