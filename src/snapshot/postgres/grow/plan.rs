//! From a table and a wish to the source of each column: everything that must be known before the first row is made.
//!
//! Foreign keys are settled first, then unique keys, then whatever is left. Rows are resampled whole wherever there are
//! rows, so that what belongs together stays together; only what a key or the scenario demands is replaced.

use rand::rngs::ChaCha8Rng;
use tokio_postgres::Client;

use super::error::{GrowError, Place};
use super::keys::{self, Keeping};
use super::kind::Kind;
use super::maker::Maker;
use super::shaped::Pattern;
use super::source::{Pool, Source, World};
use super::table::Table;
use super::{checks, overrides, rare, references, sample, shaped, vary};
use crate::scenario::{ColumnWish, TableWish};
use crate::snapshot::grow::combine::Combinations;
use crate::snapshot::grow::fake::Fake;
use crate::snapshot::grow::text::Texts;
use crate::sql::postgres::quote::ident;

/// How the rows of one table are made.
#[derive(Debug)]
pub(crate) struct Plan {
    /// How many.
    pub(crate) rows: u64,
    pub(crate) columns: Vec<Filled>,
    pub(crate) world: World,
    pub(crate) combinations: Option<Combinations>,
    pub(crate) rng: ChaCha8Rng,
    /// What a reader of the figures should know.
    pub(crate) notes: Vec<String>,
}

/// A column and where its values come from.
#[derive(Debug)]
pub(crate) struct Filled {
    pub(crate) name: String,
    pub(crate) source: Source,
    /// Share of NULLs that are put over the source's values.
    pub(crate) nulls: f64,
}

/// What is known while a plan is made.
pub(crate) struct Draft<'a> {
    pub(crate) client: &'a Client,
    pub(crate) table: &'a Table,
    pub(crate) wish: &'a TableWish,
    pub(crate) place: &'a Place,
    pub(crate) rows: u64,
    pub(crate) world: World,
    /// For each column of the table: its place in the sample.
    pub(crate) sample_at: Vec<Option<usize>>,
    /// For each column of the table: its source, once it is settled.
    pub(crate) sources: Vec<Option<Source>>,
    /// Foreign keys that hold, by their place in the table, because of what their columns are drawn from.
    pub(crate) held: Vec<usize>,
    pub(crate) combinations: Option<Combinations>,
    pub(crate) rng: ChaCha8Rng,
    /// What a reader of the figures should know.
    pub(crate) notes: Vec<String>,
}

/// Plans `rows` more rows of a table.
pub(crate) async fn plan(
    client: &Client,
    table: &Table,
    wish: &TableWish,
    place: &Place,
    rows: u64,
    pattern: Option<&Pattern<'_>>,
    rng: ChaCha8Rng,
) -> Result<Plan, GrowError> {
    if let Some(problem) = overrides::problems(table, wish, place).into_iter().next() {
        return Err(problem);
    }
    let keeping = keys::keep(table, wish).map_err(|keys::CannotKeep { key, why }| GrowError::Key {
        place: place.clone(),
        key,
        why,
    })?;
    let mut draft = draft(client, table, wish, place, rows, rng, &keeping).await?;
    if let Some(pattern) = pattern {
        shaped::settle(&mut draft, &keeping, pattern).await?;
    }
    references::settle(&mut draft, &keeping).await?;
    for at in 0..table.columns.len() {
        draft.apply_wish(at).await?;
    }
    checks::settle(&mut draft, &keeping).await?;
    vary::settle(&mut draft, &keeping).await?;
    checks::settle_varied(&mut draft).await?;
    for at in 0..table.columns.len() {
        draft.make_rare(at, pattern).await?;
    }
    references::settle_own(&mut draft)?;
    references::check(&draft)?;
    let columns = (0..table.columns.len()).filter_map(|at| draft.fill(at).transpose()).collect::<Result<_, _>>()?;
    Ok(Plan { rows, columns, world: draft.world, combinations: draft.combinations, rng: draft.rng, notes: draft.notes })
}

async fn draft<'a>(
    client: &'a Client,
    table: &'a Table,
    wish: &'a TableWish,
    place: &'a Place,
    rows: u64,
    rng: ChaCha8Rng,
    keeping: &Keeping,
) -> Result<Draft<'a>, GrowError> {
    let sampled: Vec<usize> = (0..table.columns.len()).filter(|at| table.columns[*at].binary).collect();
    let sample = sample::read(client, table, &sampled, &keeping.outside).await?;
    if sample.len() == 0 && !keeping.outside.is_empty() {
        return Err(GrowError::Key {
            place: place.clone(),
            key: keeping.outside.join(" and "),
            why:
                "every row that is there falls under this condition of a unique index, and no more may; put a few rows \
                  that do not into the restored dump"
                    .into(),
        });
    }
    let has_rows = sample.len() > 0;
    Ok(Draft {
        client,
        table,
        wish,
        place,
        rows,
        world: World { sample, ..World::default() },
        sample_at: (0..table.columns.len()).map(|at| sampled.iter().position(|s| *s == at && has_rows)).collect(),
        sources: vec![None; table.columns.len()],
        held: Vec::new(),
        combinations: None,
        rng,
        notes: Vec::new(),
    })
}

impl Draft<'_> {
    /// What the scenario says of a column.
    pub(crate) fn wish_of(&self, at: usize) -> Option<&ColumnWish> {
        self.wish.columns.get(&self.table.columns[at].name)
    }

    /// What makes up values of a column that nothing is said of.
    pub(crate) fn usual(&self, at: usize) -> Option<Maker> {
        let column = &self.table.columns[at];
        let mut maker = Maker::new(&column.kind)?;
        if let Kind::Text { limit } = column.kind
            && let Some(fake) = Fake::of(&self.table.relation.name, &column.name, limit.unwrap_or(usize::MAX))
        {
            maker.texts = Texts::Fake(fake);
        }
        Some(maker)
    }

    /// An error about one column.
    pub(crate) fn column_error(&self, at: usize, why: String) -> GrowError {
        GrowError::Column { place: self.place.clone(), column: ident(&self.table.columns[at].name), why }
    }

    /// Settles a column that the scenario gives values for, if nothing else settled it.
    async fn apply_wish(&mut self, at: usize) -> Result<(), GrowError> {
        let column = &self.table.columns[at];
        let Some(wish) = self.wish.columns.get(&column.name) else { return Ok(()) };
        if self.sources[at].is_none() {
            let sampled = self.sample_at[at].map(|in_sample| (&self.world.sample, in_sample));
            self.sources[at] = overrides::source(self.client, column, wish, sampled, self.place, &mut self.rng).await?;
        }
        Ok(())
    }

    /// Settles a column without rows of a type that values are seldom made for.
    async fn make_rare(&mut self, at: usize, pattern: Option<&Pattern<'_>>) -> Result<(), GrowError> {
        let column = &self.table.columns[at];
        let kept = column.has_default && self.table.is_checked(&column.name);
        if self.sources[at].is_none() && self.sample_at[at].is_none() && !kept && self.usual(at).is_none() {
            let profile = pattern.and_then(|pattern| pattern.profile.columns.iter().find(|c| c.name == column.name));
            let width = profile.map(|profile| profile.width);
            let values = rare::values(self.client, column, width, self.place).await?;
            self.sources[at] = values.map(|values| Source::Pool(Pool::spread(values, None)));
        }
        Ok(())
    }

    /// Settles what is left of a column; `None` leaves it to the column's default.
    fn fill(&self, at: usize) -> Result<Option<Filled>, GrowError> {
        let column = &self.table.columns[at];
        let source = match (&self.sources[at], self.sample_at[at]) {
            (Some(source), _) => source.clone(),
            (None, Some(in_sample)) => Source::Sampled(in_sample),
            // Of what a CHECK constraint demands, the default is the one value that is known to do.
            (None, None) if column.has_default && self.table.is_checked(&column.name) => return Ok(None),
            (None, None) => match self.usual(at) {
                Some(maker) => Source::Made(maker),
                None if column.has_default => return Ok(None),
                None if !column.not_null => Source::Null,
                None => {
                    let why = format!(
                        "there are no rows to take values from, and none can be made up for type {}; give `values`",
                        column.declared
                    );
                    return Err(self.column_error(at, why));
                }
            },
        };
        let nulls = self.wish_of(at).and_then(|wish| wish.null_fraction).unwrap_or(0.0);
        Ok(Some(Filled { name: column.name.clone(), source, nulls }))
    }
}
