//! `rehearsal sweep`: removes what killed runs left.

use super::{ExitStatus, Printer};
use crate::rehearse;

pub(super) async fn sweep(printer: &Printer) -> ExitStatus {
    let (removed, containers) = rehearse::sweep(true).await;
    for line in &removed {
        printer.result(&format!("removed {line}"));
    }
    if removed.is_empty() {
        printer.status("nothing was left behind");
    }
    if let Some(reason) = containers {
        printer.status(&format!("containers were not looked at: {}", reason.lines().next().unwrap_or_default()));
    }
    ExitStatus::Pass
}
