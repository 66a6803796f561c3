//! The table of statements, under the migration that sent them: time, strongest lock, whom it shut out, what was
//! written anew and, where the engine has several ways to do that, in which (`copy 129 MB`, `instant`).
//!
//! `-` is none, `?` is not observed, `held` is by an earlier statement of the same transaction. Locks and new storage of tables that nobody uses yet are left out.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use tabled::Table;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::style::Style as TableStyle;
use tabled::settings::{Alignment, Modify, Width};

use super::super::style::{Style, Tone, shorten};
use super::lines;
use crate::run::{Algorithm, Blocks, Bytes, Lock, Migration, MigrationStatus, Millis, Run, Statement, StatementStatus};
use crate::scenario::Engine;
use crate::sql::postgres::message;
use crate::verdict::{self, rewritten, table};

/// More statements than this are counted and not shown.
const MOST: usize = 15;
/// More migrations than this get a heading only if one of their statements is shown or they failed.
const MOST_HEADINGS: usize = 10;
/// More names of migrations that were not run are counted and not shown.
const MOST_NAMES: usize = 5;
/// Statements that only frame others are shown from this time on.
const FRAME_MS: f64 = 10.0;
/// Statements that a migration tool sends for itself are shown from this time on.
const OWN_MS: f64 = 100.0;

const HEADER: [&str; 6] = ["statement", "time", "strongest lock", "reads\nblocked", "writes\nblocked", "rewritten"];
/// Lines of the table before its first row: two of the header and the rule under it.
const HEADER_LINES: usize = 3;

/// What was not observed, in a cell.
const UNKNOWN: &str = "?";
/// What was observed to be nothing, in a cell.
const NONE: &str = "-";
/// What was written anew, but not how much, in a cell.
const YES: &str = "yes";
/// What an earlier statement of the transaction had locked already, in a cell.
const HELD: &str = "held";

/// A statement that is shown.
struct Row<'a> {
    migration: usize,
    /// Its place among the migration's statements.
    index: usize,
    statement: &'a Statement,
    /// Of a message that was taken apart: those of its statements that come before this one, which is one of them.
    earlier: Option<&'a [Statement]>,
    /// The longest for which it shut anybody out of a table in use.
    blocked: Option<Millis>,
}

/// The table with what belongs under it. Nothing for a run without migrations.
pub(super) fn section(run: &Run, style: Style) -> String {
    let candidates = candidates(run);
    let all = candidates.len();
    let (shown, hidden) = most_telling(candidates);
    let cells: Vec<[String; 6]> = shown.iter().map(|row| cells(run, row, style)).collect();
    let legend = legend(&cells);
    let table = if cells.is_empty() { Vec::new() } else { set(&cells, style) };
    let mut text = under_headings(run, &shown, &table, style);
    if let Some(longest) = hidden.iter().map(|row| row.statement.duration_ms).max() {
        text.push(format!("{} of {all} statements are not shown, none longer than {longest}", hidden.len()));
    }
    text.extend(apart(run, &shown));
    text.extend(own(run));
    text.extend(not_run(run));
    text.extend(legend);
    lines(&text)
}

/// What the cells mean that do not speak for themselves.
fn legend(cells: &[[String; 6]]) -> Option<String> {
    let has = |mark: &str| cells.iter().flatten().any(|cell| cell == mark);
    let unknown = has(UNKNOWN).then(|| format!("{UNKNOWN} was not observed; {NONE} is none"));
    let held = has(HELD).then(|| format!("{HELD}: still locked by an earlier statement of the transaction"));
    let parts: Vec<String> = unknown.into_iter().chain(held).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Every statement but those that only frame others and took no time for it.
fn candidates(run: &Run) -> Vec<Row<'_>> {
    let statements = run.migrations.iter().enumerate().flat_map(|(migration, of)| {
        of.statements.iter().enumerate().map(move |(index, statement)| (migration, index, statement))
    });
    statements
        .filter(|(.., statement)| !verdict::is_greeting(statement))
        .filter(|(migration, _, statement)| !folded(&run.migrations[*migration], statement))
        .filter(|(.., statement)| !frames(statement) || statement.duration_ms.as_f64() > FRAME_MS || failed(statement))
        .flat_map(|(migration, index, unit)| {
            let parts = unit.parts.iter().enumerate().map(|(at, part)| (part, Some(&unit.parts[..at])));
            std::iter::once((unit, None)).chain(parts.filter(|(part, _)| !frames(part))).map(
                move |(statement, earlier)| {
                    let held = shutting_out(run, statement, None).filter_map(|lock| lock.held_ms);
                    Row { migration, index, statement, earlier, blocked: held.max() }
                },
            )
        })
        .collect()
}

/// Whether a tool's own statement is left out.
fn folded(migration: &Migration, statement: &Statement) -> bool {
    let telling = failed(statement) && verdict::is_culprit(migration, statement);
    statement.bookkeeping && !telling && statement.duration_ms.as_f64() <= OWN_MS
}

/// Whose figures those of a message's single statements are, or how to have them.
fn apart(run: &Run, shown: &[Row<'_>]) -> Option<String> {
    if shown.iter().any(|row| row.earlier.is_some()) {
        return Some("-: one of a message's statements, as a second pass saw it, with probes beside".to_owned());
    }
    if run.engine() != Engine::Postgres || run.overhead.noise_floor_ms.is_some() {
        return None;
    }
    let whole = shown.iter().any(|row| message::parts(&row.statement.sql).is_some());
    whole.then(|| "Several statements in one message are one row; --passes 2 tells what each of them does".to_owned())
}

/// How many statements are left out as the tool's own.
fn own(run: &Run) -> Option<String> {
    let all = run.migrations.iter().flat_map(|migration| migration.statements.iter().map(move |of| (migration, of)));
    match all.filter(|(migration, statement)| folded(migration, statement)).count() {
        0 => None,
        1 => Some("1 statement that the migration tool sent for itself is not shown".to_owned()),
        count => Some(format!("{count} statements that the migration tool sent for itself are not shown")),
    }
}

fn frames(statement: &Statement) -> bool {
    const FRAMES: [&str; 10] =
        ["USE", "BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET", "RESET", "SHOW"];
    FRAMES.contains(&statement.command.as_str())
}

fn failed(statement: &Statement) -> bool {
    statement.status != StatementStatus::Ok
}

/// Those that failed, blocked longest or took longest, in their own order; and the rest.
fn most_telling(rows: Vec<Row<'_>>) -> (Vec<Row<'_>>, Vec<Row<'_>>) {
    let mut ranked: Vec<(usize, Row<'_>)> = rows.into_iter().enumerate().collect();
    ranked.sort_by_key(|(_, row)| Reverse((failed(row.statement), row.blocked, row.statement.duration_ms)));
    let hidden = ranked.split_off(ranked.len().min(MOST));
    ranked.sort_by_key(|(order, _)| *order);
    (ranked.into_iter().map(|(_, row)| row).collect(), hidden.into_iter().map(|(_, row)| row).collect())
}

fn cells(run: &Run, row: &Row<'_>, style: Style) -> [String; 6] {
    let statement = row.statement;
    let migration = &run.migrations[row.migration];
    let blocked = |who, codes: &[&str]| {
        let cell = or_held(run, row, Some(who), blocked(run, row, who));
        let over = run.findings.iter().any(|finding| {
            let here = finding.line == statement.line && finding.migration.as_ref() == Some(&migration.id);
            here && codes.contains(&finding.code.as_str())
        });
        if over { style.paint(Tone::Bad, &cell) } else { cell }
    };
    [
        name(statement, row.earlier.is_some()),
        statement.duration_ms.to_string(),
        or_held(run, row, None, strongest(run, statement, style)),
        blocked(Blocks::Reads, &["blocks-reads"]),
        blocked(Blocks::Writes, &["blocks-reads", "blocks-writes"]),
        new_storage(run, statement),
    ]
}

/// The line and the text, on one line. A failure says so first. One of a message that was taken apart is set in below it.
fn name(statement: &Statement, is_part: bool) -> String {
    let line = statement.line.map(|line| format!("{line}: ")).unwrap_or_default();
    let failed = match statement.status {
        StatementStatus::Ok => "",
        StatementStatus::Error => "FAILED ",
        StatementStatus::Lost => "LOST ",
    };
    // A file that was sent as one message may begin with the marks of its tool.
    let lines = statement.sql.lines().skip_while(|line| line.trim().is_empty() || line.trim_start().starts_with("--"));
    let sql: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    let set_in = if is_part { "- " } else { "" };
    format!("{set_in}{line}{failed}{}", sql.join(" "))
}

/// The locks on tables in use that shut somebody out; of one kind, or any.
fn shutting_out<'a>(run: &'a Run, statement: &'a Statement, who: Option<Blocks>) -> impl Iterator<Item = &'a Lock> {
    let locks = statement.locks.iter().flatten();
    let shuts_out = move |lock: &&Lock| match who {
        Some(who) => lock.blocks.contains(&who),
        None => lock.blocks.contains(&Blocks::Reads) || lock.blocks.contains(&Blocks::Writes),
    };
    locks.filter(shuts_out).filter(|lock| table::before(run, table_of(lock)).in_use())
}

/// For how long somebody was shut out, at the longest. One hold that was not observed could be the longest. Outside of a
/// transaction a stretch may be of several locks of one statement, one right after the other.
fn blocked(run: &Run, row: &Row<'_>, who: Blocks) -> String {
    let statement = row.statement;
    if statement.locks.is_none() {
        return UNKNOWN.to_owned();
    }
    let held: Option<Vec<Millis>> = shutting_out(run, statement, Some(who)).map(|lock| lock.held_ms).collect();
    match held {
        None => UNKNOWN.to_owned(),
        Some(held) => {
            let stretches = stretches(run, row, who).filter(|_| !held.is_empty() && !statement.in_transaction);
            let longest = held.iter().copied().chain(stretches).max();
            longest.map_or_else(|| NONE.to_owned(), |longest| longest.to_string())
        }
    }
}

/// The longest stretch of each table in use that begins with a lock of this statement.
fn stretches<'a>(run: &'a Run, row: &Row<'_>, who: Blocks) -> impl Iterator<Item = Millis> + use<'a> {
    let index = row.index;
    let tables = run.migrations[row.migration].blocking.iter().filter(|seen| table::before(run, &seen.table).in_use());
    let blocked = tables.map(move |seen| if who == Blocks::Reads { &seen.reads } else { &seen.writes });
    blocked.filter(move |blocked| blocked.statement == Some(index)).filter_map(|blocked| blocked.held_ms)
}

/// A cell that says "none", unless an earlier statement of the transaction had taken a lock that shuts somebody out.
fn or_held(run: &Run, row: &Row<'_>, who: Option<Blocks>, cell: String) -> String {
    let statement = row.statement;
    if cell != NONE || !statement.in_transaction {
        return cell;
    }
    let parts = row.earlier.unwrap_or_default().iter().rev();
    let mut same = parts
        .chain(run.migrations[row.migration].statements.iter().take(row.index).rev())
        .filter(|earlier| earlier.connection == statement.connection)
        .take_while(|earlier| earlier.in_transaction && !verdict::ends_transaction(earlier));
    if same.any(|earlier| shutting_out(run, earlier, who).next().is_some()) { HELD.to_owned() } else { cell }
}

/// The strongest lock that shuts somebody out of a table in use, with the table; else the strongest on any in use. Of
/// equal ones that on the largest table, with how many more tables are shut off.
fn strongest(run: &Run, statement: &Statement, style: Style) -> String {
    let Some(locks) = &statement.locks else { return UNKNOWN.to_owned() };
    let in_use = locks.iter().filter(|lock| table::before(run, table_of(lock)).in_use());
    let mut candidates: Vec<&Lock> = shutting_out(run, statement, None).collect();
    let tables: BTreeSet<&str> = candidates.iter().map(|lock| table_of(lock)).collect();
    if candidates.is_empty() {
        candidates = in_use.collect();
    }
    let Some(mode) = candidates.first().map(|lock| &lock.mode) else { return NONE.to_owned() };
    let strongest = candidates.iter().filter(|lock| lock.mode == *mode);
    let largest = strongest.min_by_key(|lock| Reverse((lock.table.is_none(), table::before(run, table_of(lock)).rows)));
    let relation = largest.map_or("", |lock| short(run.engine(), known_as(lock)));
    let lock = format!("{} {relation}", mode.strip_suffix("Lock").unwrap_or(mode));
    let others = tables.len().saturating_sub(1);
    let with_others = format!("{lock} +{others} more");
    let widest = if style.width < 100 { 22 } else { 40 };
    if others > 0 && with_others.chars().count() <= widest { with_others } else { shorten(&lock, widest) }
}

/// The name without the schema that everything is in by default.
fn short(engine: Engine, relation: &str) -> &str {
    match engine {
        Engine::Postgres => relation.strip_prefix("public.").unwrap_or(relation),
        Engine::Mysql | Engine::Mariadb => relation,
    }
}

/// What is locked, by a name that people know, which that of a table's TOAST is not.
fn known_as(lock: &Lock) -> &str {
    if lock.relation.starts_with("pg_toast.") { table_of(lock) } else { &lock.relation }
}

/// The table that a lock is on, or on a part of.
fn table_of(lock: &Lock) -> &str {
    lock.table.as_ref().unwrap_or(&lock.relation)
}

/// In which way, if the engine has several, and how much was written anew.
fn new_storage(run: &Run, statement: &Statement) -> String {
    let bytes = written(run, statement);
    let Some(algorithm) = statement.algorithm else { return bytes.unwrap_or_else(|| UNKNOWN.to_owned()) };
    match (way(algorithm), bytes.as_deref()) {
        (way, None | Some(NONE | YES)) => way.to_owned(),
        (way, Some(bytes)) => format!("{way} {bytes}"),
    }
}

/// How a statement of MySQL or MariaDB was carried out, in a word that needs no manual.
fn way(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Instant => "instant",
        Algorithm::Inplace => "in place",
        Algorithm::InplaceRebuild => "rebuild",
        Algorithm::Copy => "copy",
    }
}

/// How much of the tables in use was written anew; `None` where that was not observed.
fn written(run: &Run, statement: &Statement) -> Option<String> {
    statement.rewrites.as_ref()?;
    let mut tables = rewritten(run, statement).peekable();
    if tables.peek().is_none() {
        return Some(NONE.to_owned());
    }
    let bytes: Option<u64> = tables.map(|table| verdict::new_storage(statement, &table.relation)).sum();
    Some(bytes.map_or_else(|| YES.to_owned(), |bytes| Bytes(bytes).to_string()))
}

/// The lines of the table, one for each row after those of the header. The text of the statements gives way.
fn set(cells: &[[String; 6]], style: Style) -> Vec<String> {
    let figures = build(cells.iter().map(|row| ["", &row[1], &row[2], &row[3], &row[4], &row[5]])).total_width();
    let left = style.width.max(Style::NARROWEST).saturating_sub(figures - HEADER[0].len());
    let mut table = build(cells.iter().map(|row| row.each_ref().map(String::as_str)));
    table.with(Modify::new(Columns::first()).with(Width::truncate(left.max(HEADER[0].len())).suffix("…")));
    table.to_string().lines().map(|line| line.trim_end().to_owned()).collect()
}

fn build<'a>(cells: impl Iterator<Item = [&'a str; 6]>) -> Table {
    let mut builder = Builder::new();
    builder.push_record(HEADER);
    cells.for_each(|row| builder.push_record(row));
    let mut table = builder.build();
    table.with(TableStyle::psql());
    for figures in [1, 3, 4, 5] {
        table.with(Modify::new(Columns::one(figures)).with(Alignment::right()));
    }
    table
}

/// The table with a heading before the rows of each migration.
fn under_headings(run: &Run, shown: &[Row<'_>], table: &[String], style: Style) -> Vec<String> {
    let mut text: Vec<String> = table.iter().take(HEADER_LINES).cloned().collect();
    for (index, migration) in run.migrations.iter().enumerate() {
        let rows = shown.iter().zip(table.iter().skip(HEADER_LINES)).filter(|(row, _)| row.migration == index);
        let mut version = None;
        let rows = rows.flat_map(|(row, line)| {
            // A command has several versions below its one heading.
            let next = row.statement.version.as_deref();
            let heading = match next {
                Some(next) => (version != Some(next)).then(|| format!(" version {next}")),
                None => version.map(|_| " of no version that is known".to_owned()),
            };
            version = next;
            heading.into_iter().chain([line.clone()])
        });
        let rows: Vec<String> = rows.collect();
        let telling = !rows.is_empty() || run.migrations.len() <= MOST_HEADINGS;
        if migration.status == MigrationStatus::Failed || telling && migration.status == MigrationStatus::Applied {
            text.push(style.paint(Tone::Strong, &heading(migration)));
            text.extend(rows);
        }
    }
    text
}

fn heading(migration: &Migration) -> String {
    let how = if migration.status == MigrationStatus::Failed { "failed after" } else { "applied in" };
    let took = migration.duration_ms.map_or_else(|| UNKNOWN.to_owned(), |took| took.to_string());
    format!("{} ({how} {took})", migration.name)
}

/// Which migrations were never begun.
fn not_run(run: &Run) -> Option<String> {
    let not_run = run.migrations.iter().filter(|migration| migration.status == MigrationStatus::NotRun);
    let names: Vec<&str> = not_run.map(|migration| migration.name.as_str()).collect();
    let more = names.len().saturating_sub(MOST_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let first = &names[..names.len().min(MOST_NAMES)];
    (!names.is_empty()).then(|| format!("Not run: {}{more}", first.join(", ")))
}
