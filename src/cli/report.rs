//! `rehearsal report`: renders a saved run again, with no database.

use std::path::Path;

use anyhow::Context;

use super::{ExitStatus, Printer};
use crate::report::{self, Request, Style};
use crate::run::Run;

pub(super) fn report(path: &Path, targets: &[Request], printer: &Printer) -> anyhow::Result<ExitStatus> {
    let saved = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let run = Run::from_json(&saved).with_context(|| path.display().to_string())?;
    if targets.is_empty() {
        printer.result(&report::text::render(&run, printer.style()));
    }
    for target in targets {
        if let Some(text) = target.open()?.write(&report::render(&run, target.format, Style::default()))? {
            printer.result(&text);
        }
    }
    Ok(ExitStatus::Pass)
}
