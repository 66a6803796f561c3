//! Restoring a dump in custom, directory or tar format, with the `pg_restore` of the scratch server.
//!
//! Owners, grants and tablespaces are left out: the roles and disks they name are not those of the scratch server, and no
//! migration's cost depends on them. Roles that row security policies name are made first, without which those policies could
//! not be. Extensions that the server does not have are an error before anything is restored.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use tokio_postgres::{Client, Config};

use super::script::make_role;
use super::{RestoreError, connect};
use crate::server::{ProgramOutput, Server};
use crate::sql::Statement;
use crate::sql::postgres::scanner::{Item, Scanner};

/// A dump that `pg_restore` can read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Archive<'a> {
    /// What it is called in messages.
    pub(crate) name: &'a Path,
    /// The file or folder.
    pub(crate) path: &'a Path,
    /// Whether its format lets several jobs read it.
    pub(crate) is_parallel: bool,
}

/// What `pg_restore` is called with to restore into a database.
fn arguments(jobs: usize, database: &str) -> Vec<String> {
    let mut arguments: Vec<String> = ["--no-owner", "--no-privileges", "--no-tablespaces", "--exit-on-error"]
        .iter()
        .map(|&argument| argument.to_owned())
        .collect();
    if jobs > 1 {
        arguments.push(format!("--jobs={jobs}"));
    }
    arguments.push(format!("--dbname={database}"));
    arguments
}

/// Restores a dump; gives what a reader should know.
pub(crate) async fn restore(
    config: &Config,
    archive: Archive<'_>,
    server: &Server,
) -> Result<Vec<String>, RestoreError> {
    let name = archive.name;
    let script = run(server, archive, &["--schema-only".into(), "--file=-".into()]).await?;
    let schema = Schema::of(&script.stdout);
    let (client, connection) = connect(config, name).await?;
    let failed = |source| RestoreError::Server { file: name.to_owned(), source };
    let missing = missing_extensions(&client, &schema.extensions).await.map_err(failed)?;
    if !missing.is_empty() {
        return Err(RestoreError::NoExtensions { file: name.to_owned(), names: missing.join(", ") });
    }
    for role in &schema.roles {
        make_role(&client, role).await.map_err(failed)?;
    }
    drop(client);
    // The connection ends once its client is gone; what it says then was already told to the client.
    let _ = connection.await;
    let jobs = if archive.is_parallel { std::thread::available_parallelism().map_or(1, usize::from) } else { 1 };
    run(server, archive, &arguments(jobs, config.get_dbname().unwrap_or("postgres"))).await?;
    let mut notes = vec![format!("{}: owners and grants were left out", name.display())];
    for (what, names) in [("made the roles", &schema.roles), ("left out the tablespaces", &schema.tablespaces)] {
        if !names.is_empty() {
            let why = if what.starts_with("made") { "policies name" } else { "this server does not have" };
            notes.push(format!("{}: {what} {}, which {why}", name.display(), names.join(", ")));
        }
    }
    Ok(notes)
}

/// Those that the server cannot make.
async fn missing_extensions(client: &Client, names: &[String]) -> Result<Vec<String>, tokio_postgres::Error> {
    let sql =
        "SELECT name FROM unnest($1::text[]) AS name WHERE name NOT IN (SELECT a.name FROM pg_available_extensions a)";
    let rows = client.query(sql, &[&names]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn run(server: &Server, archive: Archive<'_>, arguments: &[String]) -> Result<ProgramOutput, RestoreError> {
    let dump = archive.name;
    let output = server.pg_restore(archive.path, arguments).await;
    let output = output.map_err(|source| RestoreError::Run { file: dump.to_owned(), source })?;
    if output.success {
        return Ok(output);
    }
    if let Some(version) =
        archive_version(archive.path).filter(|version| output.stderr.contains(&format!("({version})")))
    {
        return Err(RestoreError::NewerDump { file: dump.to_owned(), archive: version });
    }
    let lines: Vec<&str> = output.stderr.lines().collect();
    let message = lines[lines.len().saturating_sub(20)..].join("\n");
    Err(RestoreError::PgRestore { file: dump.to_owned(), message })
}

/// The version of a dump's own format, which follows its magic in two bytes. `pg_restore` names it in parentheses only to
/// say that it does not know it, which is told apart so because the words around it are in the user's language.
fn archive_version(dump: &Path) -> Option<String> {
    let mut head = [0; 7];
    let dump = if dump.is_dir() { &dump.join("toc.dat") } else { dump };
    File::open(dump).ok()?.read_exact(&mut head).ok()?;
    Some(format!("{}.{}", head[5], head[6]))
}

/// What a schema needs of the server that is no part of a database.
#[derive(Debug, Default, PartialEq, Eq)]
struct Schema {
    /// Roles that policies are for.
    roles: Vec<String>,
    extensions: Vec<String>,
    tablespaces: Vec<String>,
}

impl Schema {
    /// Of a script of `pg_restore`. One that cannot be read needs nothing: restoring will say why.
    fn of(script: &[u8]) -> Self {
        let mut scanner = Scanner::new(script);
        let mut schema = Self::default();
        while let Ok(Some(item)) = scanner.next_item() {
            let Item::Statement(statement) = item else { continue };
            schema.take(&statement);
        }
        for names in [&mut schema.roles, &mut schema.extensions, &mut schema.tablespaces] {
            names.sort();
            names.dedup();
        }
        schema
    }

    fn take(&mut self, statement: &Statement) {
        match statement.command.as_str() {
            "CREATE POLICY" => self.roles.extend(roles_of(&statement.text)),
            "CREATE EXTENSION" => {
                let rest = statement.text.trim_start_matches("CREATE EXTENSION").trim_start();
                let rest = rest.trim_start_matches("IF NOT EXISTS").trim_start();
                self.extensions.extend(first_name(rest));
            }
            "SET" => {
                let value = statement.text.strip_prefix("SET default_tablespace = ");
                self.tablespaces.extend(value.and_then(first_name).filter(|name| !name.is_empty()));
            }
            _ => {}
        }
    }
}

/// The name that a text begins with, without its quotes.
fn first_name(text: &str) -> Option<String> {
    match text.strip_prefix(['"', '\'']) {
        Some(quoted) => quoted.split(['"', '\'']).next().map(str::to_owned),
        None => text.split(|c: char| c.is_whitespace() || c == ';').next().map(str::to_owned),
    }
}

/// The roles after `TO`, which pg_dump writes before the conditions.
fn roles_of(policy: &str) -> Vec<String> {
    let conditions = [" USING (", " WITH CHECK ("].iter().filter_map(|word| policy.find(word)).min();
    let head = &policy[..conditions.unwrap_or(policy.len())];
    let Some((_, list)) = head.rsplit_once(" TO ") else { return Vec::new() };
    list.split(',').map(|role| role.trim().trim_matches('"').replace("\"\"", "\"")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roles_of_policies_are_found() {
        let script = b"CREATE POLICY p ON public.t FOR SELECT TO clerk, \"The Boss\" USING ((a = 'x TO y'::text));\n\
                       CREATE POLICY q ON public.t USING (true);\n\
                       CREATE POLICY r ON public.t TO clerk WITH CHECK (true);\n";
        assert_eq!(Schema::of(script).roles, ["The Boss", "clerk"]);
    }

    #[test]
    fn extensions_and_tablespaces_are_found() {
        let script =
            b"SET default_tablespace = '';\nCREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" WITH SCHEMA public;\n\
                       CREATE EXTENSION postgis;\nSET default_tablespace = fast;\n";
        let schema = Schema::of(script);
        assert_eq!(schema.extensions, ["postgis", "uuid-ossp"]);
        assert_eq!(schema.tablespaces, ["fast"]);
    }

    #[test]
    fn a_single_job_is_not_asked_for() {
        assert!(!arguments(1, "d").iter().any(|argument| argument.starts_with("--jobs")));
        assert_eq!(arguments(2, "d")[4..], ["--jobs=2", "--dbname=d"]);
    }
}
