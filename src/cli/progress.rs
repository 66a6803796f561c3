//! Showing a rehearsal while it runs: a line for each stage that is done, and below it a bar for the one that is not.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::printer::Printer;
use crate::rehearse::event::{Event, Stage};
use crate::run::{Bytes, Migration, MigrationStatus, Millis};

/// Listens to events and shows them on standard error.
pub(super) struct Progress<'a> {
    printer: &'a Printer,
    bar: ProgressBar,
    lines: bool,
    pending: Vec<Migration>,
    /// The line that tells of the stage that is running.
    about: String,
    filling: Option<Filling>,
}

/// How often a line tells how far the data is where no bar does.
const NOW_AND_THEN: Duration = Duration::from_secs(30);

/// Something that takes its time while the data is prepared.
struct Filling {
    what: String,
    began: Instant,
    /// When a line last told of it.
    told: Instant,
}

impl Filling {
    /// How far it is, if it is time to tell.
    fn line(&mut self, now: Instant, done: u64, total: Option<u64>) -> Option<String> {
        if now.duration_since(self.told) < NOW_AND_THEN {
            return None;
        }
        self.told = now;
        let how_far = match total {
            Some(total) if done > 0 && total > 0 => {
                let part = done as f64 / total as f64;
                let to_go = now.duration_since(self.began).mul_f64((1.0 / part - 1.0).max(0.0));
                format!("{:.0} %, about {} to go", part * 100.0, rounded(to_go))
            }
            Some(_) => "0 %".to_owned(),
            None => Bytes(done).to_string(),
        };
        Some(format!("{:>10}  {}: {how_far}", "data", self.what))
    }
}

impl<'a> Progress<'a> {
    /// `lines` says whether each stage leaves a line; of many scenarios, each has one of its own in the end.
    pub(super) fn new(printer: &'a Printer, lines: bool) -> Self {
        let bar = if printer.moves() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.set_style(spinner());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { printer, bar, lines, pending: Vec::new(), about: String::new(), filling: None }
    }

    pub(super) fn listen(&mut self, event: &Event) {
        match event {
            Event::Begun(stage) => self.begin(match stage {
                Stage::Server => "starting a scratch server",
                Stage::Snapshot => "preparing the data",
                Stage::Migrations => "running the old and the new queries",
                Stage::SecondPass => "preparing a second server",
                Stage::Cleanup => "stopping the server",
            }),
            Event::Filling { what, done, total } => self.fill(what, *done, *total),
            Event::Server(server) => {
                self.about = format!("{} {} ({}, {})", server.engine, server.version, server.provider, server.origin);
            }
            Event::Snapshot(snapshot) => {
                let largest = snapshot.tables.first().and_then(|table| Some((&table.name, table.rows_in_words()?)));
                let largest = largest.map(|(name, rows)| format!(", {name} with {rows}")).unwrap_or_default();
                let tables = match snapshot.tables.len() {
                    1 => "1 table".to_owned(),
                    count => format!("{count} tables"),
                };
                self.about = format!("{}: {tables}{largest}", snapshot.origin);
            }
            Event::Ended(Stage::Server, took) => self.done("server", *took),
            Event::Ended(Stage::Snapshot, took) => self.done("data", *took),
            Event::Pending(migrations) => self.pending.clone_from(migrations),
            Event::MigrationBegun(index) => {
                let name = self.pending.get(*index).map_or("", |migration| migration.name.as_str());
                self.about = format!("{} of {}  {name}", index + 1, self.pending.len());
                self.begin(&self.about.clone());
            }
            Event::StatementBegun(sql) => {
                let sql: String = sql.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(60).collect();
                self.bar.set_message(format!("{}  {sql}", self.about));
            }
            Event::MigrationEnded(_, migration) => self.migrated(migration),
            Event::Kept(how) => self.tell(how),
            Event::QueriesBegun(at) => self.begin(&format!("running the queries ({at})")),
            Event::Stalled { migration, .. } => {
                let name = self.pending.get(*migration).map_or("", |migration| migration.name.as_str());
                self.begin(&format!("{} of {}  {name} (second pass)", migration + 1, self.pending.len()));
            }
            Event::Ended(Stage::SecondPass, took) => self.tell(&format!("{:>10}  {}", "probed", Millis(*took))),
            Event::Ended(Stage::Migrations | Stage::Cleanup, _)
            | Event::Note(_)
            | Event::StatementEnded(_)
            | Event::Queries(_)
            | Event::Overhead(_)
            | Event::TakenApart { .. } => {}
        }
    }

    /// A bar with a time to go, or the bytes so far where nobody knows of how many. Where nothing moves, a line now and then.
    fn fill(&mut self, what: &str, done: u64, total: Option<u64>) {
        if self.filling.as_ref().is_none_or(|filling| filling.what != what) {
            let now = Instant::now();
            self.filling = Some(Filling { what: what.to_owned(), began: now, told: now });
            self.bar.set_style(if total.is_some() { bar() } else { spinner() });
            // Forgets how fast the last one was.
            self.bar.reset();
        }
        match total {
            Some(total) => {
                self.bar.set_length(total);
                self.bar.set_position(done);
                self.bar.set_message(what.to_owned());
            }
            None => self.bar.set_message(format!("{what}  {}", Bytes(done))),
        }
        let line = self.filling.as_mut().and_then(|filling| filling.line(Instant::now(), done, total));
        if let Some(line) = line
            && !self.printer.moves()
        {
            self.tell(&line);
        }
    }

    fn begin(&mut self, what: &str) {
        self.filling = None;
        self.bar.set_style(spinner());
        self.bar.set_message(what.to_owned());
    }

    fn migrated(&self, migration: &Migration) {
        let how = match migration.status {
            MigrationStatus::Applied => "applied",
            MigrationStatus::Failed => "failed",
            MigrationStatus::NotRun => "not run",
        };
        let took = migration.duration_ms.map(|took| format!("  {took}")).unwrap_or_default();
        self.tell(&format!("{how:>10}  {}{took}", migration.name));
    }

    fn done(&self, what: &str, took: Duration) {
        self.tell(&format!("{what:>10}  {}  {}", self.about, Millis(took)));
    }

    fn tell(&self, line: &str) {
        if self.lines && self.printer.tells() {
            self.bar.suspend(|| self.printer.status(line));
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A time that is only guessed.
fn rounded(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..60 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

fn spinner() -> ProgressStyle {
    ProgressStyle::default_spinner().template("{spinner:>10}  {wide_msg} {elapsed}").unwrap_or_else(|_| plain())
}

fn bar() -> ProgressStyle {
    ProgressStyle::default_bar()
        .template("{percent:>9}%  {msg} [{wide_bar}] {eta}")
        .unwrap_or_else(|_| plain())
        .progress_chars("=> ")
}

fn plain() -> ProgressStyle {
    ProgressStyle::default_bar()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_now_and_then_how_far_it_is() {
        let began = Instant::now();
        let mut filling = Filling { what: "restoring shop.dump".to_owned(), began, told: began };
        let mut line = |seconds, done, total| filling.line(began + Duration::from_secs(seconds), done, total);
        assert_eq!(line(29, 10, Some(100)), None);
        assert_eq!(
            line(30, 25, Some(100)).as_deref(),
            Some("      data  restoring shop.dump: 25 %, about 2 min to go")
        );
        assert_eq!(line(59, 50, Some(100)), None);
        assert_eq!(line(61, 5 << 19, None).as_deref(), Some("      data  restoring shop.dump: 2.5 MB"));
    }
}
