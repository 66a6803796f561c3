//! Where the values of columns that must never repeat begin, and whether the column's type can hold so many.

use super::error::GrowError;
use super::keys::{Keeping, Vary};
use super::kind::Kind;
use super::name::quote;
use super::plan::Draft;
use super::source::{Moments, Numbered, Over, Source};
use crate::scenario::Pattern;
use crate::snapshot::grow::text::Counted;
use crate::sql::postgres::quote::ident;

/// 2023-01-01 and the three years from it, in days since 2000-01-01.
const FIRST_DAY: i64 = 8_401;
const DAYS: i64 = 1_096;
const DAY_MICROS: i64 = 86_400_000_000;

/// Settles every column that was chosen to be different in each row.
pub(crate) async fn settle(draft: &mut Draft<'_>, keeping: &Keeping) -> Result<(), GrowError> {
    for (at, how) in &keeping.varied {
        if let Some(Source::Shaped(_)) = draft.sources[*at] {
            continue;
        }
        let source = match how {
            Vary::Number => count(draft, *at, draft.rows, Over::Rows).await?,
            Vary::Uuid => Source::Uuid,
            Vary::Moment => moment(draft, *at).await?,
            Vary::Text => numbered(draft, *at).await?,
            Vary::Bytes => Source::RandomBytes,
        };
        draft.sources[*at] = Some(source);
    }
    if let Some(at) = keeping.combined.as_ref().and_then(|combined| combined.counter) {
        let lap = draft.combinations.as_ref().map_or(1, crate::snapshot::grow::combine::Combinations::free).max(1);
        draft.sources[at] = Some(count(draft, at, draft.rows.div_ceil(lap), Over::Laps).await?);
    }
    Ok(())
}

/// Numbers that go on behind the greatest one, and behind the sequence's.
async fn count(draft: &Draft<'_>, at: usize, many: u64, over: Over) -> Result<Source, GrowError> {
    let column = &draft.table.columns[at];
    let (client, name) = (draft.client, quote(&column.name));
    let failed = GrowError::reading(&format!("the greatest {} of {}", ident(&column.name), draft.place.table));
    let greatest = match column.kind {
        Kind::Date => format!("max({name} - date '2000-01-01') FILTER (WHERE isfinite({name}))"),
        Kind::Float8 | Kind::Numeric { .. } => format!("floor(max({name}))"),
        _ => format!("max({name})"),
    };
    let sql = format!("SELECT ({greatest})::int8 FROM {}", draft.table.read_sql());
    let found: Option<i64> = client.query_one(&sql, &[]).await.map_err(&failed)?.get(0);
    let first = if column.kind == Kind::Date { FIRST_DAY } else { 1 };
    let mut start = found.map_or(first, |greatest| greatest.saturating_add(1));
    for sequence in &column.sequences {
        let sql = format!("SELECT last_value + CASE WHEN is_called THEN 1 ELSE 0 END FROM {sequence}");
        start = start.max(client.query_one(&sql, &[]).await.map_err(&failed)?.get(0));
    }
    let end = start.saturating_add(i64::try_from(many).unwrap_or(i64::MAX)).saturating_sub(1);
    if end > column.kind.greatest() {
        let why = format!(
            "it must be different in each row, and {} holds no {many} numbers from {start} on (its greatest is {}); wish \
             for fewer rows",
            column.declared,
            column.kind.greatest()
        );
        return Err(draft.column_error(at, why));
    }
    Ok(Source::Count { kind: column.kind.clone(), start, step: 1, over })
}

/// Sampled moments moved by microseconds where that cannot meet another one, else moments that go on behind the last.
async fn moment(draft: &mut Draft<'_>, at: usize) -> Result<Source, GrowError> {
    let column = &draft.table.columns[at];
    let name = quote(&column.name);
    let micros =
        |of: &str| format!("(extract(epoch FROM {of}({name}) FILTER (WHERE isfinite({name}))) * 1000000)::int8");
    let whole =
        |unit: &str| format!("coalesce(bool_and(isfinite({name}) AND date_trunc('{unit}', {name}) = {name}), false)");
    let sql = format!(
        "SELECT {}, {}, {} - 946684800000000, {} - 946684800000000 FROM {}",
        whole("second"),
        whole("milliseconds"),
        micros("min"),
        micros("max"),
        draft.table.read_sql()
    );
    let failed = GrowError::reading(&format!("the moments in {} of {}", ident(&column.name), draft.place.table));
    let row = draft.client.query_one(&sql, &[]).await.map_err(failed)?;
    let room = if row.get(0) {
        1_000_000
    } else if row.get(1) {
        1_000
    } else {
        0
    };
    if let Some(column) = draft.sample_at[at].filter(|_| !nulls_are_equal(draft, at)) {
        let moments = Moments::of(&draft.world.sample, column);
        // How often the most frequent moment is drawn on average; twice that and some is never reached.
        if draft.rows / draft.world.sample.len() as u64 * moments.most as u64 * 2 + 64 < room {
            draft.world.moments.push(moments);
            return Ok(Source::Later { column, moments: draft.world.moments.len() - 1 });
        }
    }
    let (low, high): (Option<i64>, Option<i64>) = (row.get(2), row.get(3));
    let rows = i64::try_from(draft.rows).unwrap_or(i64::MAX).max(1);
    let (start, span) = match (low, high) {
        (Some(low), Some(high)) => (high, high.saturating_sub(low)),
        _ => (FIRST_DAY * DAY_MICROS, DAYS * DAY_MICROS),
    };
    let step = (span / rows).max(1);
    Ok(Source::Count { kind: Kind::Timestamp, start: start.saturating_add(step), step, over: Over::Rows })
}

/// Whether a unique key that a column is in counts NULLs as equal.
fn nulls_are_equal(draft: &Draft<'_>, at: usize) -> bool {
    draft.table.uniques.iter().any(|key| key.nulls_equal && key.columns.contains(&draft.table.columns[at].name))
}

/// Sampled or made text with a number that no other text ends in.
async fn numbered(draft: &Draft<'_>, at: usize) -> Result<Source, GrowError> {
    let column = &draft.table.columns[at];
    let Kind::Text { limit } = column.kind else {
        return Err(draft.column_error(at, "it is no text".into()));
    };
    if let Some(pattern) = draft.wish_of(at).and_then(|wish| wish.pattern.as_ref()) {
        return counted(draft, at, pattern);
    }
    let needed = Numbered::length(draft.rows.saturating_sub(1));
    if limit.is_some_and(|limit| limit < needed) {
        let why = format!(
            "it must be different in each row, and {} is too short for {} different texts (they take {needed} letters); \
             wish for fewer rows",
            column.declared, draft.rows
        );
        return Err(draft.column_error(at, why));
    }
    Ok(Source::Numbered(Numbered {
        column: draft.sample_at[at],
        marker: marker(draft, at).await?,
        limit,
        keep_nulls: !column.not_null && !nulls_are_equal(draft, at),
        texts: draft.usual(at).map(|maker| maker.texts).unwrap_or_default(),
    }))
}

/// Texts of a pattern, each once.
fn counted(draft: &Draft<'_>, at: usize, pattern: &Pattern) -> Result<Source, GrowError> {
    let counted = Counted::new(pattern);
    let why = if counted.count() < u128::from(draft.rows) {
        format!(
            "it must be different in each row, and `pattern` describes {} texts; wish for fewer rows",
            counted.count()
        )
    } else if draft.table.rows > 0 {
        "it must be different in each row, and a text of `pattern` may be there already; leave `pattern` out".to_owned()
    } else {
        return Ok(Source::Counted(counted));
    };
    Err(draft.column_error(at, why))
}

/// A sign that no existing value has before a last word of letters and digits.
async fn marker(draft: &Draft<'_>, at: usize) -> Result<char, GrowError> {
    let column = &draft.table.columns[at];
    let failed = GrowError::reading(&format!("the texts in {} of {}", ident(&column.name), draft.place.table));
    for marker in ['-', '.', '_', '~', '+', '#'] {
        let sql = format!(
            "SELECT EXISTS (SELECT FROM {} WHERE {}::text ~* '[{marker}][0-9a-z]+(@|\\s*$)')",
            draft.table.read_sql(),
            quote(&column.name)
        );
        if !draft.client.query_one(&sql, &[]).await.map_err(&failed)?.get::<_, bool>(0) {
            return Ok(marker);
        }
    }
    let why = "it must be different in each row, but its texts already end in every kind of number that could be put \
               to them; fill the table in the dump instead";
    Err(draft.column_error(at, why.to_owned()))
}
