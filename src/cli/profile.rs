//! `rehearsal profile`: what the statistics of a production database say, in a file.

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::{ExitStatus, Printer, ProfileArguments};
use crate::profile::Keep;
use crate::profile::postgres::{self, SchemaSource, Wish};
use crate::profile::production::Production;

pub(super) async fn profile(
    arguments: &ProfileArguments,
    printer: &Printer,
    cancel: &CancellationToken,
) -> anyhow::Result<ExitStatus> {
    let production = Production::find(&arguments.url).await?;
    let wish = Wish {
        keep: arguments.values,
        tables: arguments.tables.clone(),
        timeout: arguments.statement_timeout,
        schema: arguments.schema.clone().map_or(SchemaSource::PgDump, SchemaSource::File),
    };
    let profile = tokio::select! {
        () = cancel.cancelled() => return Ok(ExitStatus::Interrupted),
        profile = postgres::profile(production.config(), &wish) => profile,
    };
    let profile = match profile {
        Ok(profile) => profile,
        Err(error) => {
            printer.error(&error.to_string());
            return Ok(if error.is_usage() { ExitStatus::Usage } else { ExitStatus::Environment });
        }
    };
    let out = &arguments.out;
    std::fs::write(out, profile.to_text()).with_context(|| format!("cannot write {}", out.display()))?;
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
