//! Restoring a dump in custom format, with the `pg_restore` of the scratch server.
//!
//! Owners and grants are left out: the roles they name are not those of the scratch server, and no migration's cost depends
//! on them. Roles that row security policies name are made first, without which those policies could not be.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use tokio_postgres::Client;

use super::RestoreError;
use super::script::make_role;
use crate::server::{ProgramOutput, Server};
use crate::sql::postgres::scanner::{Item, Scanner};

/// What `pg_restore` is called with to restore into a database.
fn arguments(jobs: usize, database: &str) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["--no-owner", "--no-privileges", "--exit-on-error"].iter().map(|&argument| argument.to_owned()).collect();
    if jobs > 1 {
        arguments.push(format!("--jobs={jobs}"));
    }
    arguments.push(format!("--dbname={database}"));
    arguments
}

/// Restores a dump; gives what a reader should know.
pub(crate) async fn restore(
    client: &Client,
    dump: &Path,
    database: &str,
    server: &Server,
    jobs: usize,
) -> Result<Vec<String>, RestoreError> {
    let script = run(server, dump, &["--section=post-data".into(), "--file=-".into()]).await?;
    let roles = policy_roles(&script.stdout);
    for role in &roles {
        make_role(client, role).await.map_err(|source| RestoreError::Server { file: dump.to_owned(), source })?;
    }
    run(server, dump, &arguments(jobs, database)).await?;
    let mut notes = vec![format!("{}: owners and grants were left out", dump.display())];
    if !roles.is_empty() {
        notes.push(format!("{}: made the roles {}, which policies name", dump.display(), roles.join(", ")));
    }
    Ok(notes)
}

async fn run(server: &Server, dump: &Path, arguments: &[String]) -> Result<ProgramOutput, RestoreError> {
    let output = server.pg_restore(dump, arguments).await;
    let output = output.map_err(|source| RestoreError::Run { file: dump.to_owned(), source })?;
    if output.success {
        return Ok(output);
    }
    if let Some(archive) = archive_version(dump).filter(|version| output.stderr.contains(&format!("({version})"))) {
        return Err(RestoreError::NewerDump { file: dump.to_owned(), archive });
    }
    let lines: Vec<&str> = output.stderr.lines().collect();
    let message = lines[lines.len().saturating_sub(20)..].join("\n");
    Err(RestoreError::PgRestore { file: dump.to_owned(), message })
}

/// The version of a dump's own format, which follows its magic in two bytes. `pg_restore` names it in parentheses only to
/// say that it does not know it, which is told apart so because the words around it are in the user's language.
fn archive_version(dump: &Path) -> Option<String> {
    let mut head = [0; 7];
    File::open(dump).ok()?.read_exact(&mut head).ok()?;
    Some(format!("{}.{}", head[5], head[6]))
}

/// The roles that the policies of a script are for. A script that cannot be read has none: restoring will say why.
fn policy_roles(script: &[u8]) -> Vec<String> {
    let mut scanner = Scanner::new(script);
    let mut roles: Vec<String> = Vec::new();
    while let Ok(Some(item)) = scanner.next_item() {
        let Item::Statement(statement) = item else { continue };
        if statement.command == "CREATE POLICY" {
            roles.extend(roles_of(&statement.text));
        }
    }
    roles.sort();
    roles.dedup();
    roles
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
        assert_eq!(policy_roles(script), ["The Boss", "clerk"]);
    }

    #[test]
    fn a_single_job_is_not_asked_for() {
        assert!(!arguments(1, "d").iter().any(|argument| argument.starts_with("--jobs")));
        assert_eq!(arguments(2, "d")[3..], ["--jobs=2", "--dbname=d"]);
    }
}
