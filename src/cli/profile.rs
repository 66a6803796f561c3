//! `rehearsal profile`: what the statistics of a production database say, in a file.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

use super::{ExitStatus, Printer, ProfileArguments};
use crate::profile::postgres::SchemaSource;
use crate::profile::production::Production;
use crate::profile::{Keep, Profile, mysql, postgres};
use crate::server::Access;

pub(super) async fn profile(
    arguments: &ProfileArguments,
    printer: &Printer,
    cancel: &CancellationToken,
) -> anyhow::Result<ExitStatus> {
    let out = &arguments.out;
    let unwritable = || format!("cannot write {}", out.display());
    // Before the server is asked, and for nobody else to read.
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder).with_context(unwritable)?;
    let taking = async {
        let production = Production::find(&arguments.url).await?;
        anyhow::Ok(taken(production.access(), arguments).await)
    };
    let profile = tokio::select! {
        () = cancel.cancelled() => {
            printer.error("interrupted; nothing was written");
            return Ok(ExitStatus::Interrupted);
        }
        profile = taking => profile?,
    };
    let profile = match profile {
        Ok(profile) => profile,
        Err((error, status)) => {
            printer.error(&error);
            return Ok(status);
        }
    };
    file.write_all(profile.to_text().as_bytes()).with_context(unwritable)?;
    file.persist(out).with_context(unwritable)?;
    for note in &profile.notes {
        printer.result(&format!("note: {note}"));
    }
    let kept = match profile.keep {
        Keep::Numbers => "values of numbers, dates and enumerated types are in it, texts are not",
        Keep::None => "no values are in it",
        Keep::Hashed => "values of numbers, dates and enumerated types are in it, and hashes of the most common texts",
        Keep::Kept => "values are in it, texts too",
    };
    let tables = match profile.tables.len() {
        1 => "1 table".to_owned(),
        several => format!("{several} tables"),
    };
    printer.result(&format!("{}: {tables}; {kept}; look through it before it leaves production", out.display()));
    Ok(ExitStatus::Pass)
}

/// The profile, or an error with what it means for the exit code.
async fn taken(access: &Access, arguments: &ProfileArguments) -> Result<Profile, (String, ExitStatus)> {
    let status = |is_usage| if is_usage { ExitStatus::Usage } else { ExitStatus::Environment };
    let (keep, timeout) = (arguments.values, arguments.statement_timeout);
    let tables = arguments.tables.clone();
    match access {
        Access::Postgres(config) => {
            let schema = arguments.schema.clone().map_or(SchemaSource::PgDump, SchemaSource::File);
            let wish = postgres::Wish { keep, tables, timeout, schema };
            let profile = postgres::profile(config, &wish).await;
            profile.map_err(|error| (error.to_string(), status(error.is_usage())))
        }
        Access::Mysql(_) if arguments.schema.is_some() => {
            let error = "--schema is for PostgreSQL: the schema of MySQL comes from the server itself";
            Err((error.to_owned(), ExitStatus::Usage))
        }
        Access::Mysql(opts) => {
            let profile = mysql::profile(opts, &mysql::Wish { keep, tables, timeout }).await;
            profile.map_err(|error| (error.to_string(), status(error.is_usage())))
        }
    }
}
