//! CHECK constraints of tables without rows: values are made up, the server is asked which of them keep the constraints, and
//! rows are made of those. So every form of constraint is met that a made-up value has a chance to meet.
//!
//! Limits: a constraint that speaks of a generated column, or of one that a key decides on together with others, is left to
//! the server when the rows are loaded. So is every constraint of a table with rows, which new rows follow as whole rows.

use bytes::{BufMut, BytesMut};
use futures_util::SinkExt;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::error::GrowError;
use super::keys::Keeping;
use super::maker::Maker;
use super::name::quote;
use super::overrides;
use super::plan::Draft;
use super::source::{Draw, Drawn, Numbered, Source, Weights};
use super::table::Check;
use super::tuples::{NULL, Tuples, put_end, put_head};
use crate::scenario::Pattern;
use crate::snapshot::grow::combine::Combinations;
use crate::snapshot::grow::hints::{Hint, hints};
use crate::snapshot::grow::text::Counted;
use crate::snapshot::grow::tried::{Group, Numbers, Outcome, TRIES, TriedTexts, Try, groups, outcome};

/// Where the number of a tried row stands, and where the rows do.
const NUMBER: &str = "\"rehearsal: number\"";
const TABLE: &str = "pg_temp.\"rehearsal: tried\"";

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
        tried.push(values_to_try(draft, *at, group).await?);
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
            let number = |number: i128| i64::try_from(number).unwrap_or(i64::MAX);
            draft.sources[at] = match outcome {
                Outcome::Usual => draft.usual(at).map(Source::Made),
                Outcome::Range(low, high) => Maker::within(kind, number(low), number(high)).map(Source::Made),
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

async fn values_to_try(draft: &Draft<'_>, at: usize, group: &Group) -> Result<Tried, GrowError> {
    let column = &draft.table.columns[at];
    if let Some(source) = &draft.sources[at] {
        return Ok(Tried::Source(source.clone()));
    }
    let hints = hints_for(draft, at, &group.checks);
    let Some(usual) = draft.usual(at) else { return Ok(Tried::Source(Source::Null)) };
    if let super::kind::Kind::Text { limit } = column.kind {
        return Ok(Tried::Texts(TriedTexts::new(&hints, usual.texts, limit.unwrap_or(usize::MAX))));
    }
    if !Maker::can_range(&column.kind) {
        return Ok(Tried::Source(Source::Made(usual)));
    }
    let literals = literals(draft, at, &hints).await;
    let greatest = overrides::limit(&column.kind);
    let (low, high) = usual.bounds();
    let bounds = (i128::from(low), i128::from(high));
    Ok(Tried::Numbers(Numbers { usual: bounds, literals, limits: (-greatest, greatest) }))
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
async fn literals(draft: &Draft<'_>, at: usize, hints: &[Hint]) -> Vec<i128> {
    let column = &draft.table.columns[at];
    let sql = format!("SELECT {}", overrides::unit(column, &column.kind, "$1::text"));
    let mut literals = Vec::new();
    for hint in hints {
        let (Hint::Text(text) | Hint::Number(text)) = hint else { continue };
        if let Ok(row) = draft.client.query_one(&sql, &[text]).await
            && let Ok(Some(number)) = row.try_get::<_, Option<i64>>(0)
        {
            literals.push(i128::from(number));
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
            let (rng, mut field) = (&mut draft.rng, BytesMut::new());
            let mut kind = (None, false);
            // Several columns may be NULL only together, or in turn.
            if !column.not_null && tuples.width() > 1 && rng.random_ratio(1, 4) {
                field.put_slice(&NULL);
            } else {
                match tried {
                    Tried::Source(source) => {
                        source.put(&Drawn::default(), &draft.world, rng, &mut field);
                        kind.1 = true;
                    }
                    Tried::Numbers(numbers) => {
                        let (number, is_usual) = numbers.pick(rng);
                        let narrow = i64::try_from(number).unwrap_or(i64::MAX);
                        if let Some(maker) = Maker::within(&column.kind, narrow, narrow) {
                            maker.put(rng, &mut field);
                        }
                        kind = (Some(number), is_usual);
                    }
                    Tried::Texts(texts) => {
                        let (text, is_usual) = texts.pick(rng);
                        super::tuples::put_field(&mut field, Some(text.as_bytes()));
                        kind.1 = is_usual;
                    }
                }
            }
            tuples.push_raw(&field);
            about.push(kind);
        }
    }
    (tuples, about)
}

/// Which of these rows keep constraints; `None` where the server cannot say.
async fn keeps(draft: &Draft<'_>, columns: &[usize], checks: &[usize], rows: &Tuples) -> Option<Vec<bool>> {
    let tried = try_rows(draft, columns, checks, rows).await;
    let _ = draft.client.batch_execute(&format!("DROP TABLE IF EXISTS {TABLE}")).await;
    tried.inspect_err(|error| tracing::debug!(%error, "constraints cannot be tried")).ok()
}

async fn try_rows(
    draft: &Draft<'_>,
    columns: &[usize],
    checks: &[usize],
    rows: &Tuples,
) -> Result<Vec<bool>, tokio_postgres::Error> {
    let list = columns.iter().map(|at| {
        let column = &draft.table.columns[*at];
        format!(", {} {}", quote(&column.name), column.base)
    });
    let create = format!("CREATE TABLE {TABLE} ({NUMBER} int4{})", list.collect::<String>());
    draft.client.batch_execute(&create).await?;
    let mut bytes = BytesMut::new();
    put_head(&mut bytes);
    for row in 0..rows.len() {
        bytes.put_i16(i16::try_from(columns.len() + 1).unwrap_or(i16::MAX));
        bytes.put_i32(4);
        bytes.put_i32(i32::try_from(row).unwrap_or(i32::MAX));
        (0..rows.width()).for_each(|column| bytes.put_slice(rows.raw(row, column)));
    }
    put_end(&mut bytes);
    let sink = draft.client.copy_in(&format!("COPY {TABLE} FROM STDIN (FORMAT binary)")).await?;
    let mut sink = std::pin::pin!(sink);
    sink.send(bytes.freeze()).await?;
    sink.finish().await?;
    let all = checks.iter().map(|at| format!("({}) IS NOT FALSE", draft.table.checks[*at].expression));
    let select = format!("SELECT {NUMBER} FROM {TABLE} WHERE {}", all.collect::<Vec<_>>().join(" AND "));
    let mut kept = vec![false; rows.len()];
    for row in draft.client.query(&select, &[]).await? {
        if let Some(kept) = usize::try_from(row.get::<_, i32>(0)).ok().and_then(|at| kept.get_mut(at)) {
            *kept = true;
        }
    }
    Ok(kept)
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
            let all = step.saturating_mul(i64::try_from(draft.rows).unwrap_or(i64::MAX));
            let mut starts: Vec<i64> = Vec::new();
            for literal in literals(draft, at, &hints).await {
                let scale = overrides::scale(kind);
                let literal = i64::try_from(literal / scale).unwrap_or(i64::MAX);
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
            let within = |length: usize| (needed..numbered.limit.unwrap_or(usize::MAX)).contains(&length);
            let limits = lengths.flat_map(|length| [length, length.saturating_sub(1)]).filter(|length| within(*length));
            let patterns = hints.iter().filter(|_| draft.table.rows == 0).filter_map(|hint| match hint {
                Hint::Regex(text) => Pattern::parse(text).ok(),
                _ => None,
            });
            let counted = patterns.map(|pattern| Counted::new(&pattern));
            let enough = |counted: &Counted| counted.count() >= u128::from(draft.rows);
            others.extend(counted.filter(enough).map(Source::Counted));
            others.extend(limits.map(|limit| Source::Numbered(Numbered { limit: Some(limit), ..numbered.clone() })));
        }
        _ => {}
    }
    let lap = draft.combinations.as_ref().map_or(1, Combinations::free).max(1);
    for source in others {
        let mut rows = Tuples::new(1);
        for row in [0, draft.rows / 2, draft.rows.saturating_sub(1)] {
            let mut field = BytesMut::new();
            let drawn = Drawn { row, lap: row / lap, ..Drawn::default() };
            source.put(&drawn, &draft.world, &mut ChaCha8Rng::seed_from_u64(0), &mut field);
            rows.push_raw(&field);
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
