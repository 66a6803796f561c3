//! CHECK constraints of tables without rows: values are made up, the server is asked which of them keep the constraints, and
//! rows are made of those. So every form of constraint is met that a made-up value has a chance to meet.
//!
//! Limits: a constraint that speaks of a generated column, or of one that a key decides on together with others, is left to
//! the server when the rows are loaded. So is every constraint of a table with rows, which new rows follow as whole rows.

use std::fmt::Write as _;

use mysql_async::prelude::Queryable;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::ask;
use super::error::GrowError;
use super::keys::Keeping;
use super::kind::Kind;
use super::maker::Maker;
use super::overrides;
use super::plan::Draft;
use super::source::{Drawn, Numbered, Source};
use super::table::Check;
use crate::scenario::Pattern;
use crate::snapshot::grow::combine::Combinations;
use crate::snapshot::grow::draw::{Draw, Weights};
use crate::snapshot::grow::hints::{Hint, hints};
use crate::snapshot::grow::text::Counted;
use crate::snapshot::grow::tried::{Group, Numbers, Outcome, TRIES, TriedTexts, Try, groups, outcome};
use crate::snapshot::grow::tuples::Tuples;
use crate::sql::mysql::name::quote;

/// Where the number of a tried row stands, and where the rows do.
const NUMBER: &str = "`rehearsal: number`";
const TABLE: &str = "`rehearsal: tried`";
/// Rows of one INSERT.
const AT_ONCE: usize = 2_048;

/// What the values of a column are tried from.
enum Tried {
    Numbers(Numbers),
    Texts(TriedTexts),
    /// As they are made anyway, or as the scenario says.
    Source(Source),
}

/// Settles columns that constraints speak of and that nothing else decides on.
pub(crate) async fn settle(draft: &mut Draft<'_>, keeping: &Keeping) -> Result<(), GrowError> {
    if draft.world.sample.len() > 0 {
        return Ok(());
    }
    let counted = |at: usize| {
        keeping.varied.iter().any(|(varied, _)| *varied == at)
            || keeping.combined.as_ref().is_some_and(|combined| combined.counter == Some(at))
    };
    let open = |at: usize| match &draft.sources[at] {
        None => !counted(at) && Maker::new(&draft.table.columns[at].kind).is_some(),
        Some(source) => matches!(source, Source::Pool(_) | Source::Made(_)),
    };
    let groups = groups(&positions(draft), open);
    for group in groups {
        // What the scenario gives for a single column, the server is to refuse and not to pick from.
        if group.columns.iter().any(|at| draft.sources[*at].is_none()) {
            fill(draft, &group).await?;
        }
    }
    Ok(())
}

/// For each constraint: its columns; none for one that speaks of others than those that rows are made for.
fn positions(draft: &Draft<'_>) -> Vec<Vec<usize>> {
    let columns =
        |check: &Check| check.columns.iter().map(|name| draft.table.position(name)).collect::<Option<Vec<_>>>();
    draft.table.checks.iter().map(|check| columns(check).unwrap_or_default()).collect()
}

async fn fill(draft: &mut Draft<'_>, group: &Group) -> Result<(), GrowError> {
    let mut tried = Vec::new();
    for at in &group.columns {
        tried.push(values_to_try(draft, *at, group).await);
    }
    let few = if tried.len() == 1 { TRIES.0 } else { TRIES.1 };
    for count in [few, 8 * few] {
        let (rows, about) = make(draft, group, &tried, count);
        // Where the constraint itself fails on a value, the rows are left to the load.
        let Some(kept) = keeps(draft, &group.columns, &group.checks, &rows).await else { return Ok(()) };
        if let [at] = group.columns[..] {
            let values: Vec<Try<'_>> = (0..rows.len())
                .map(|row| Try {
                    raw: rows.raw(row, 0),
                    number: about[row].0,
                    is_usual: about[row].1,
                    is_kept: kept[row],
                })
                .collect();
            let Some(outcome) = outcome(&values) else { continue };
            let kind = &draft.table.columns[at].kind;
            draft.sources[at] = match outcome {
                Outcome::Usual => draft.usual(at).map(Source::Made),
                Outcome::Range(low, high) => Maker::within(kind, low, high).map(Source::Made),
                Outcome::Values(places) => Some(draw(draft, &rows, &places, 0)),
            };
            return Ok(());
        }
        let places: Vec<usize> = (0..rows.len()).filter(|row| kept[*row]).collect();
        if !places.is_empty() {
            let Source::Drawn { draw, .. } = draw(draft, &rows, &places, 0) else { return Ok(()) };
            for (part, at) in group.columns.iter().enumerate() {
                draft.sources[*at] = Some(Source::Drawn { draw, part });
            }
            return Ok(());
        }
    }
    // What the columns are by default may do.
    if group.columns.iter().all(|at| draft.sources[*at].is_some() || draft.table.columns[*at].has_default) {
        return Ok(());
    }
    Err(unmet(draft, &group.checks, "no value that was tried keeps it"))
}

/// An error about constraints that cannot be kept.
fn unmet(draft: &Draft<'_>, checks: &[usize], why: &str) -> GrowError {
    let checks: Vec<&Check> = checks.iter().map(|at| &draft.table.checks[*at]).collect();
    let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    let mut columns: Vec<&str> = checks.iter().flat_map(|check| &check.columns).map(String::as_str).collect();
    columns.dedup();
    GrowError::Check {
        place: draft.place.clone(),
        name: names.join(" and "),
        expression: checks.first().map(|check| check.expression.clone()).unwrap_or_default(),
        why: format!("{why}; say with `values`, `range` or `pattern` what {} may hold", columns.join(", ")),
    }
}

/// Adds a draw of these rows.
fn draw(draft: &mut Draft<'_>, rows: &Tuples, places: &[usize], part: usize) -> Source {
    let mut keys = Tuples::new(rows.width());
    for row in places {
        (0..rows.width()).for_each(|column| keys.push_raw(rows.raw(*row, column)));
    }
    let used = keys.len();
    draft.world.draws.push(Draw { keys, used, null_with: None, weights: Weights::default(), within: None });
    Source::Drawn { draw: draft.world.draws.len() - 1, part }
}

async fn values_to_try(draft: &mut Draft<'_>, at: usize, group: &Group) -> Tried {
    let column = &draft.table.columns[at];
    if let Some(source) = &draft.sources[at] {
        return Tried::Source(source.clone());
    }
    let hints = hints_for(draft, at, &group.checks);
    let Some(usual) = draft.usual(at) else { return Tried::Source(Source::Null) };
    if let Kind::Text { limit } = column.kind {
        return Tried::Texts(TriedTexts::new(&hints, usual.texts, limit));
    }
    if !Maker::can_range(&column.kind) || matches!(column.kind, Kind::Bit { .. }) {
        return Tried::Source(Source::Made(usual));
    }
    let limits = column.kind.limits();
    let literals = literals(draft, at, &hints).await;
    Tried::Numbers(Numbers { usual: usual.bounds, literals, limits })
}

fn hints_for(draft: &Draft<'_>, at: usize, checks: &[usize]) -> Vec<Hint> {
    let name = &draft.table.columns[at].name;
    let of = |check: &usize| {
        let check = &draft.table.checks[*check];
        hints(&check.expression, &check.columns).remove(name).unwrap_or_default()
    };
    checks.iter().flat_map(of).collect()
}

/// What of the hints the server takes for a value of the column, in its kind's unit.
async fn literals(draft: &mut Draft<'_>, at: usize, hints: &[Hint]) -> Vec<i128> {
    let table = draft.table;
    let column = &table.columns[at];
    let unit = overrides::unit(&column.kind);
    let mut literals = Vec::new();
    for hint in hints {
        let (Hint::Text(text) | Hint::Number(text)) = hint else { continue };
        if let Ok(Some(number)) = overrides::as_kept(draft.conn, column, text, &unit, draft.place).await {
            literals.extend(ask::whole(&String::from_utf8_lossy(&number)));
        }
    }
    literals
}

/// Rows to try, and for each what its only column is as a number, and whether that is a usual value.
fn make(draft: &mut Draft<'_>, group: &Group, tried: &[Tried], rows: usize) -> (Tuples, Vec<(Option<i128>, bool)>) {
    let mut tuples = Tuples::new(tried.len());
    let mut about = Vec::new();
    for _ in 0..rows {
        for (column, tried) in group.columns.iter().zip(tried) {
            let column = &draft.table.columns[*column];
            let (rng, mut made) = (&mut draft.rng, Vec::new());
            // Several columns may be NULL only together, or in turn.
            if !column.not_null && tuples.width() > 1 && rng.random_ratio(1, 4) {
                tuples.push(None);
                continue;
            }
            let mut kind = (None, true);
            match tried {
                Tried::Source(Source::Pool(pool)) => {
                    tuples.push_raw(pool.pick(rng));
                    continue;
                }
                Tried::Source(Source::Made(maker)) => maker.write(rng, &mut made),
                Tried::Source(_) => {}
                Tried::Numbers(numbers) => {
                    let (number, is_usual) = numbers.pick(rng);
                    let number = number - number.rem_euclid(column.kind.unit());
                    column.kind.write_number(&mut made, number);
                    kind = (Some(number), is_usual);
                }
                Tried::Texts(texts) => {
                    let (text, is_usual) = texts.pick(rng);
                    made = text.into_bytes();
                    kind = (None, is_usual);
                }
            }
            tuples.push(Some(&made));
            about.push(kind);
        }
    }
    (tuples, about)
}

/// Which of these rows keep constraints; `None` where the server cannot say.
async fn keeps(draft: &mut Draft<'_>, columns: &[usize], checks: &[usize], rows: &Tuples) -> Option<Vec<bool>> {
    let tried = try_rows(draft, columns, checks, rows).await;
    let _ = draft.conn.query_drop(format!("DROP TEMPORARY TABLE IF EXISTS {TABLE}")).await;
    tried.inspect_err(|error| tracing::debug!(%error, "constraints cannot be tried")).ok()
}

async fn try_rows(
    draft: &mut Draft<'_>,
    columns: &[usize],
    checks: &[usize],
    rows: &Tuples,
) -> Result<Vec<bool>, mysql_async::Error> {
    let table = draft.table;
    let list = columns.iter().map(|at| {
        let column = &table.columns[*at];
        format!(", {} {} NULL", quote(&column.name), column.declared)
    });
    let create = format!("CREATE TEMPORARY TABLE {TABLE} ({NUMBER} int{})", list.collect::<String>());
    draft.conn.query_drop(create).await?;
    let value = |row: usize, part: usize| match rows.value(row, part) {
        None => "NULL".to_owned(),
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !table.columns[columns[part]].kind.is_binary() => ask::literal(text),
            _ => format!("X'{}'", hex(bytes)),
        },
    };
    let all: Vec<String> = (0..rows.len())
        .map(|row| {
            format!("({row}, {})", (0..rows.width()).map(|part| value(row, part)).collect::<Vec<_>>().join(", "))
        })
        .collect();
    for some in all.chunks(AT_ONCE) {
        draft.conn.query_drop(format!("INSERT INTO {TABLE} VALUES {}", some.join(", "))).await?;
    }
    let all = checks.iter().map(|at| format!("({}) IS NOT FALSE", table.checks[*at].expression));
    let select = format!("SELECT {NUMBER} FROM {TABLE} WHERE {}", all.collect::<Vec<_>>().join(" AND "));
    let mut kept = vec![false; rows.len()];
    for row in draft.conn.query::<usize, _>(select).await? {
        if let Some(kept) = kept.get_mut(row) {
            *kept = true;
        }
    }
    Ok(kept)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes all that is written to it");
        hex
    })
}

/// Sees to it that columns whose values never repeat keep the constraints that speak of them alone.
pub(crate) async fn settle_varied(draft: &mut Draft<'_>) -> Result<(), GrowError> {
    for (check, columns) in positions(draft).into_iter().enumerate() {
        let [at] = columns[..] else { continue };
        if let Some(source @ (Source::Count { .. } | Source::Numbered(_))) = draft.sources[at].clone() {
            varied(draft, at, check, source).await?;
        }
    }
    Ok(())
}

async fn varied(draft: &mut Draft<'_>, at: usize, check: usize, source: Source) -> Result<(), GrowError> {
    let hints = hints_for(draft, at, &[check]);
    let mut others = vec![source.clone()];
    match &source {
        Source::Count { kind, start, step, over } => {
            let all = step.saturating_mul(i128::from(draft.rows));
            let mut starts: Vec<i128> = Vec::new();
            for literal in literals(draft, at, &hints).await {
                let literal = literal - literal.rem_euclid(*step);
                starts.extend([literal, literal.saturating_add(*step), literal.saturating_sub(all)]);
            }
            starts.sort_unstable();
            let (start, empty) = (*start, draft.table.rows == 0);
            let starts = starts.into_iter().filter(|other| empty || *other > start);
            others.extend(starts.map(|start| Source::Count { kind: kind.clone(), start, step: *step, over: *over }));
        }
        Source::Numbered(numbered) => {
            let needed = Numbered::length(draft.rows.saturating_sub(1));
            let lengths = hints.iter().filter_map(|hint| match hint {
                Hint::Number(length) => length.parse::<usize>().ok(),
                _ => None,
            });
            let within = |length: usize| (needed..numbered.limit).contains(&length);
            let limits = lengths.flat_map(|length| [length, length.saturating_sub(1)]).filter(|length| within(*length));
            let patterns = hints.iter().filter(|_| draft.table.rows == 0).filter_map(|hint| match hint {
                Hint::Regex(text) => Pattern::parse(text).ok(),
                _ => None,
            });
            let counted = patterns.map(|pattern| Counted::new(&pattern));
            let enough = |counted: &Counted| counted.count() >= u128::from(draft.rows);
            others.extend(counted.filter(enough).map(Source::Counted));
            others.extend(limits.map(|limit| Source::Numbered(Numbered { limit, ..numbered.clone() })));
        }
        _ => {}
    }
    let lap = draft.combinations.as_ref().map_or(1, Combinations::free).max(1);
    for source in others {
        let mut rows = Tuples::new(1);
        for row in [0, draft.rows / 2, draft.rows.saturating_sub(1)] {
            let drawn = Drawn { row, lap: row / lap, ..Drawn::default() };
            let mut made = Vec::new();
            match &source {
                Source::Count { kind, start, step, over } => {
                    kind.write_number(&mut made, start + step * i128::from(drawn.nth(*over)));
                }
                Source::Counted(counted) => {
                    let mut text = String::new();
                    counted.write(row, &mut text);
                    made = text.into_bytes();
                }
                Source::Numbered(numbered) => {
                    numbered.write(&drawn, &draft.world, &mut ChaCha8Rng::seed_from_u64(0), &mut made);
                }
                _ => {}
            }
            rows.push(Some(&made));
        }
        let Some(kept) = keeps(draft, &[at], &[check], &rows).await else { return Ok(()) };
        if kept.iter().all(|kept| *kept) {
            draft.sources[at] = Some(source);
            return Ok(());
        }
    }
    let why = format!("its column must be different in each row as well, which {} rows cannot be", draft.rows);
    Err(unmet(draft, &[check], &why))
}
