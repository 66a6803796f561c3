//! `rehearsal doctor --self-test`: how exact the instrument is here.

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Modify, Style};
use tokio_util::sync::CancellationToken;

use super::super::{ExitStatus, Printer};
use crate::scenario::{Engine, ProviderWish};
use crate::self_test::{self, Compared, Exactness};
use crate::server::container;

/// Examines every server that can be had here, or those of one engine or provider.
pub(crate) async fn self_test(
    engine: Option<Engine>,
    provider: Option<ProviderWish>,
    printer: &Printer,
    cancel: &CancellationToken,
) -> ExitStatus {
    let candidates = self_test::candidates(engine, provider).await;
    if candidates.is_empty() {
        printer
            .error("no such server can be had here without getting one first; `rehearsal doctor` tells what there is");
        return ExitStatus::Environment;
    }
    let mut worst = ExitStatus::Pass;
    for candidate in &candidates {
        let name = format!("{} {}", candidate.engine, candidate.version);
        let tell = |what: &str| printer.status(&format!("{name}: {what}"));
        let examined = tokio::select! {
            examined = Box::pin(self_test::examine(candidate, tell)) => Some(examined),
            () = cancel.cancelled() => None,
        };
        let status = match examined {
            Some(Ok(exactness)) => {
                printer.result(&rendered(&exactness));
                if exactness.is_trusted() { ExitStatus::Pass } else { ExitStatus::Untrusted }
            }
            Some(Err(error)) => {
                printer.failure(&error, false);
                ExitStatus::Environment
            }
            None => {
                container::remove_own().await;
                printer.error("interrupted");
                return ExitStatus::Interrupted;
            }
        };
        worst = worst.or_worse(status);
    }
    worst
}

/// One server's figures.
fn rendered(exactness: &Exactness) -> String {
    let Exactness { server, blocked, felt, noise_floor, cost, repeated, trouble } = exactness;
    let mut lines = vec![format!("{} {} ({}, {})", server.engine, server.version, server.provider, server.origin)];
    lines.push(table("blocked, as computed", "their own clock", blocked));
    lines.push(table("stalled, as felt", "the holder's clock", felt));
    lines.push(format!("noise floor of the probes: {noise_floor}"));
    let (inside, outside) = (cost.in_transaction, cost.in_autocommit);
    lines.push(format!("the tap adds {inside} to a statement in a transaction, {outside} in autocommit"));
    let bytes: Vec<String> =
        repeated.bytes.iter().map(|bytes| bytes.map_or_else(|| "?".to_owned(), |bytes| bytes.to_string())).collect();
    let (yes, bytes) = (if repeated.is_equal() { "yes" } else { "NO" }, bytes.join(", "));
    lines.push(format!("the same statement costs the same three times: {yes} ({bytes} {})", repeated.what));
    lines.extend(trouble.as_ref().map(|trouble| format!("NOT OBSERVED: {trouble}")));
    let off = blocked.iter().chain(felt).filter(|compared| !compared.is_exact()).count();
    lines.push(match (off, exactness.is_trusted()) {
        (_, true) => {
            "exact here: every median is within 3 % or 15 ms (of probes 5 ms more, of those of rows 25)\n".to_owned()
        }
        (0, false) => "NOT TO BE TRUSTED here\n".to_owned(),
        (1, false) => {
            "NOT TO BE TRUSTED here: 1 figure is off; a machine that is busy with something else does that\n".to_owned()
        }
        (off, false) => {
            format!(
                "NOT TO BE TRUSTED here: {off} figures are off; a machine that is busy with something else does that\n"
            )
        }
    });
    lines.join("\n")
}

fn table(figure: &str, clock: &str, compared: &[Compared]) -> String {
    let mut builder = Builder::new();
    builder.push_record(["lock", "who", figure, clock, "off (median)", "worst", "exact"]);
    for row in compared {
        let off = |off: Option<f64>| off.map_or_else(|| "?".to_owned(), |off| format!("{off:+.1} ms"));
        builder.push_record([
            row.what.clone(),
            row.who.clone(),
            row.figure.map_or_else(|| "?".to_owned(), |figure| figure.to_string()),
            row.clock.to_string(),
            off(row.median_off_ms),
            off(row.worst_off_ms),
            if row.is_exact() { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    let mut table = builder.build();
    table.with(Style::psql());
    for figures in 2..=5 {
        table.with(Modify::new(Columns::one(figures)).with(Alignment::right()));
    }
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
