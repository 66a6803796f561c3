//! Where the figures come from: server, data, the instrument's own cost, and what else a reader should know.

use super::super::style::Style;
use crate::run::{Cloning, Count, Likeness, RowSource, Rows, Run, ServerFacts, SnapshotFacts, TableFacts};

/// So many of the largest tables are named.
const LARGEST: usize = 3;
/// A table that is made after a profile is called close to it where nothing is off by more per cent.
const CLOSE: i32 = 10;

/// One paragraph each for server and data, overhead, and every note.
pub(super) fn section(run: &Run, style: Style) -> String {
    let server = run.server.as_ref().map_or_else(|| "No server was started".to_owned(), server);
    let data = run.snapshot.as_ref().map_or_else(|| "no data was prepared".to_owned(), data);
    let mut text = style.wrap(0, &format!("{server}; {data}"));
    if let (Some(each), Some(all)) = (run.overhead.per_statement_ms, run.overhead.held_back_ms) {
        let overhead = format!("Overhead: {each} a statement, {all} in all; {}", run.overhead.note);
        text.push_str(&style.wrap(0, &overhead));
    }
    if let Some(floor) = run.overhead.noise_floor_ms {
        text.push_str(&style.wrap(0, &format!("Probed in a second pass; waits below {floor} are this machine's own")));
    }
    let made = run.snapshot.iter().flat_map(|snapshot| likenesses(&snapshot.tables));
    text.extend(made.map(|line| style.wrap(0, &line)));
    text.extend(run.notes.iter().map(|note| style.wrap(0, &format!("Note: {note}"))));
    text
}

fn server(server: &ServerFacts) -> String {
    let ServerFacts { engine, version, provider, origin, cpus, .. } = server;
    let cpus = if *cpus == 1 { "1 CPU".to_owned() } else { format!("{cpus} CPUs") };
    format!("Measured on {engine} {version} ({provider}, {origin}), {cpus}")
}

fn data(snapshot: &SnapshotFacts) -> String {
    let named = snapshot.tables.iter().take(LARGEST).map(|table| {
        let rows = table.rows_in_words().unwrap_or_else(|| "rows not known".to_owned());
        let source = match table.source {
            Some(RowSource::Grown) => " (grown)",
            Some(RowSource::Made) => " (made)",
            Some(RowSource::Real) | None => "",
        };
        format!("{} {rows}{source}", table.name)
    });
    let mut tables: Vec<String> = named.collect();
    let more = snapshot.tables.len().saturating_sub(LARGEST) as u64;
    if more > 0 {
        tables.push(if more == 1 { "1 more table".to_owned() } else { format!("{} more tables", Count(more)) });
    }
    let tables = if tables.is_empty() { "no tables".to_owned() } else { tables.join(", ") };
    let how = match snapshot.cloning {
        None => "",
        Some(Cloning::Copy) => ", copied from a prepared snapshot",
        // Nothing of a clone is in memory, as on a server that was just started.
        Some(Cloning::Reflink) => ", cloned from a prepared snapshot (reflink; nothing of it is cached yet)",
        Some(Cloning::ReflinkVolume) => {
            ", cloned from a prepared snapshot (reflink in a volume; nothing of it is cached yet)"
        }
    };
    format!("data {}{how}: {tables}", snapshot.origin)
}

/// How close the tables that were made come to their profile: each that is far off, and how many are not.
fn likenesses(tables: &[TableFacts]) -> Vec<String> {
    let made: Vec<(&TableFacts, &Likeness)> =
        tables.iter().filter_map(|table| Some((table, table.likeness.as_ref()?))).collect();
    let (far, close): (Vec<_>, Vec<_>) = made.into_iter().partition(|(_, likeness)| is_far(likeness));
    let mut lines = Vec::new();
    if !close.is_empty() {
        let tables =
            if close.len() == 1 { "1 table".to_owned() } else { format!("{} tables", Count(close.len() as u64)) };
        lines.push(format!(
            "Made after the profile: {tables} within {CLOSE} % of its pages, index sizes and distinct values"
        ));
    }
    lines.extend(far.into_iter().map(|(table, likeness)| unlike(&table.name, likeness)));
    lines
}

fn is_far(likeness: &Likeness) -> bool {
    let percents = [likeness.pages_percent, likeness.index_percent, likeness.distinct_percent];
    percents.into_iter().flatten().any(|percent| percent.abs() > CLOSE)
}

fn unlike(table: &str, likeness: &Likeness) -> String {
    let of = |what: &str, name: &Option<String>| match name {
        Some(name) => format!("{what} of {name}"),
        None => what.to_owned(),
    };
    let figures = [
        ("pages".to_owned(), likeness.pages_percent),
        (of("size", &likeness.index), likeness.index_percent),
        (of("distinct values", &likeness.distinct_column), likeness.distinct_percent),
    ];
    let told = figures.iter().filter_map(|(what, percent)| Some(format!("{what} {:+} %", (*percent)?)));
    let told = told.collect::<Vec<_>>().join(", ");
    format!("Less like the profile: {table}, of {} there; for as many rows: {told}", Rows(likeness.profile_rows))
}
