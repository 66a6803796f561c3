//! Where the values of columns that must never repeat begin, and whether the column's type can hold so many.

use super::ask;
use super::error::GrowError;
use super::keys::{ENOUGH_BYTES, Keeping, Vary};
use super::kind::{DAY, Kind};
use super::maker::{DAYS, FIRST_DAY};
use super::plan::Draft;
use super::source::{Numbered, Source};
use crate::scenario::Pattern;
use crate::snapshot::grow::draw::Over;
use crate::snapshot::grow::text::Counted;
use crate::sql::mysql::name::quote;

/// Settles every column that was chosen to be different in each row.
pub(crate) async fn settle(draft: &mut Draft<'_>, keeping: &Keeping) -> Result<(), GrowError> {
    for (at, how) in &keeping.varied {
        let source = match how {
            Vary::Number => count(draft, *at, draft.rows, Over::Rows).await?,
            Vary::Uuid => Source::Uuid,
            Vary::Moment => moment(draft, *at).await?,
            Vary::Text => numbered(draft, *at).await?,
            Vary::Bytes => bytes(draft, *at)?,
        };
        draft.sources[*at] = Some(source);
    }
    if let Some(at) = keeping.combined.as_ref().and_then(|combined| combined.counter) {
        let lap = draft.combinations.as_ref().map_or(1, crate::snapshot::grow::combine::Combinations::free).max(1);
        draft.sources[at] = Some(count(draft, at, draft.rows.div_ceil(lap), Over::Laps).await?);
    }
    Ok(())
}

/// Numbers that go on behind the greatest one, and behind the counter of AUTO_INCREMENT.
async fn count(draft: &mut Draft<'_>, at: usize, many: u64, over: Over) -> Result<Source, GrowError> {
    let column = &draft.table.columns[at];
    let name = quote(&column.name);
    let greatest = match column.kind {
        Kind::Date => format!("DATEDIFF(MAX({name}), '1970-01-01')"),
        Kind::Float { .. } | Kind::Decimal { .. } => format!("CAST(FLOOR(MAX({name})) AS DECIMAL(65, 0))"),
        _ => format!("MAX({name} + 0)"),
    };
    let what = format!("the greatest {} of {}", column.name, draft.place.table);
    let sql = format!("SELECT {greatest} FROM {}", draft.table.relation.sql());
    let first = match column.kind {
        Kind::Date => FIRST_DAY,
        Kind::Year => 1_901,
        _ => 1,
    };
    let mut start = ask::number(draft.conn, &what, &sql).await?.map_or(first, |greatest| greatest + 1);
    if let Some(next) = draft.table.next.filter(|_| column.auto_increment) {
        start = start.max(next);
    }
    if start + i128::from(many) - 1 > column.kind.greatest() {
        let why = format!(
            "it must be different in each row, and {} holds no {many} numbers from {start} on (its greatest is {}); wish \
             for fewer rows",
            column.declared,
            column.kind.greatest()
        );
        return Err(draft.column_error(at, why));
    }
    let one = column.kind.one();
    Ok(Source::Count { kind: column.kind.clone(), start: start * one, step: one, over })
}

/// Moments that go on behind the last, as densely as the existing ones lie.
async fn moment(draft: &mut Draft<'_>, at: usize) -> Result<Source, GrowError> {
    let column = &draft.table.columns[at];
    let name = quote(&column.name);
    let what = format!("the moments in {} of {}", column.name, draft.place.table);
    let micros = |of| format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {of}({name}))");
    let sql = |of| format!("SELECT {} FROM {}", micros(of), draft.table.relation.sql());
    let (low, high) = (sql("MIN"), sql("MAX"));
    let low = ask::number(draft.conn, &what, &low).await?;
    let high = ask::number(draft.conn, &what, &high).await?;
    let (start, span) = match (low, high) {
        (Some(low), Some(high)) => (high, high - low),
        _ => (FIRST_DAY * DAY, DAYS * DAY),
    };
    let (rows, unit) = (i128::from(draft.rows.max(1)), column.kind.unit());
    let room = (column.kind.greatest() - start).max(0);
    // Where a column's range ends before, they lie as densely as it takes.
    let step = (span.min(room) / rows / unit).max(1) * unit;
    if step * rows > room {
        let why = format!(
            "it must be different in each row, and {} ends before {rows} moments more; wish for fewer rows",
            column.declared
        );
        return Err(draft.column_error(at, why));
    }
    Ok(Source::Count { kind: column.kind.clone(), start: start + step, step, over: Over::Rows })
}

/// Sampled or made text with a number that no other text has, or UUIDs where all texts are.
async fn numbered(draft: &mut Draft<'_>, at: usize) -> Result<Source, GrowError> {
    let column = &draft.table.columns[at];
    let Kind::Text { limit } = column.kind else {
        return Err(draft.column_error(at, "it is no text".into()));
    };
    if let Some(pattern) = draft.wish_of(at).and_then(|wish| wish.pattern.as_ref()) {
        return counted(draft, at, pattern);
    }
    let prefix = draft.table.prefix(&column.name);
    if limit == 36 && prefix.is_none_or(|letters| letters >= 36) && all_uuids(draft, at) {
        return Ok(Source::Uuid);
    }
    let needed = Numbered::length(draft.rows.saturating_sub(1));
    if prefix.unwrap_or(limit).min(limit) < needed {
        let part = prefix.map_or(String::new(), |letters| format!("the key's beginning of {letters} letters of "));
        let why = format!(
            "it must be different in each row, and {part}{} is too short for {} different texts (they take {needed} \
             letters); wish for fewer rows",
            column.declared, draft.rows
        );
        return Err(draft.column_error(at, why));
    }
    let (not_null, first) = (column.not_null, prefix.is_some());
    Ok(Source::Numbered(Numbered {
        column: draft.sample_at[at],
        marker: marker(draft, at, first).await?,
        first,
        limit,
        keep_nulls: !not_null,
        texts: draft.usual(at).map(|maker| maker.texts).unwrap_or_default(),
    }))
}

/// Whether a text of 36 letters is a UUID in every sampled row.
fn all_uuids(draft: &Draft<'_>, at: usize) -> bool {
    let is_uuid = |text: &[u8]| {
        text.len() == 36
            && text.iter().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    let sample = &draft.world.sample;
    draft.sample_at[at].is_none_or(|column| (0..sample.len()).filter_map(|row| sample.value(row, column)).all(is_uuid))
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

/// A sign that no existing value has beside a number where the new ones get theirs.
async fn marker(draft: &mut Draft<'_>, at: usize, first: bool) -> Result<char, GrowError> {
    let column = &draft.table.columns[at];
    let what = format!("the texts in {} of {}", column.name, draft.place.table);
    for marker in ['-', '.', '_', '~', '+', '#'] {
        let pattern = if first { format!("^[0-9]+[{marker}]") } else { format!("[{marker}][0-9]+(@|[[:space:]]*$)") };
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM {} WHERE CONVERT({} USING utf8mb4) REGEXP '{pattern}')",
            draft.table.relation.sql(),
            quote(&column.name)
        );
        if ask::number(draft.conn, &what, &sql).await? == Some(0) {
            return Ok(marker);
        }
    }
    let why = "it must be different in each row, but its texts already have every kind of number that could be put to \
               them; fill the table in the dump instead";
    Err(draft.column_error(at, why.to_owned()))
}

/// Random bytes, enough of them in what a key holds of the column.
fn bytes(draft: &Draft<'_>, at: usize) -> Result<Source, GrowError> {
    let column = &draft.table.columns[at];
    let Kind::Bytes { limit, fixed } = column.kind else {
        return Err(draft.column_error(at, "it is no binary string".into()));
    };
    if let Some(prefix) = draft.table.prefix(&column.name).filter(|prefix| *prefix < ENOUGH_BYTES) {
        let why = format!(
            "it must be different in each row, and the key's beginning of {prefix} bytes is too short for that; fill the \
             table in the dump instead"
        );
        return Err(draft.column_error(at, why));
    }
    Ok(Source::RandomBytes(if fixed { limit } else { limit.min(16) }))
}
