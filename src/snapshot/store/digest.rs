//! What names a prepared snapshot: the digest of everything that shapes its bytes.
//!
//! The wishes are taken apart to the last field, so that a new one cannot be forgotten here.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::LARGE;
use super::sums::Sums;
use crate::profile::Profile;
use crate::scenario::{ColumnWish, Distribution, Dump, DumpSource, ProfileWish, ServerWish, SnapshotWish, TableWish};
use crate::snapshot::dump::size;
use crate::snapshot::grow;

/// Raised when what is kept changes; made rows have a [format](grow::FORMAT) of their own.
const FORMAT: u64 = 2;

/// The digest of what a scenario wishes on a server of this [identity](crate::server::Chosen::identity): hexadecimal.
///
/// `None` where a program writes a dump and nobody says what its sum must be: it need not be the same each time.
///
/// # Errors
/// The dump that could not be read.
pub(super) fn digest(
    identity: &str,
    server: &ServerWish,
    wish: &SnapshotWish,
    sums: &mut Sums<'_>,
) -> Result<Option<String>, (PathBuf, io::Error)> {
    let mut recipe = Recipe(Sha256::new());
    recipe.number(FORMAT);
    recipe.number(grow::FORMAT);
    recipe.text(env!("CARGO_PKG_VERSION"));
    if cfg!(debug_assertions) {
        // While this program is being worked on, its version says little.
        recipe.text(&format!("{:?}", std::env::current_exe().and_then(|path| path.metadata()?.modified()).ok()));
    }
    recipe.text(identity);
    // All of them: the data folder keeps the settings that it was measured with, or was made with.
    let ServerWish { engine, settings, version: _, provider: _, image: _, external: _, command: _ } = server;
    recipe.text(&engine.to_string());
    recipe.number(settings.len() as u64);
    for (name, value) in settings {
        recipe.text(name);
        recipe.text(value);
    }
    let SnapshotWish { restore, after, profile, tables, seed } = wish;
    recipe.number(restore.len() as u64);
    for Dump { from, sha256 } in restore {
        match (from, sha256) {
            (DumpSource::File(path), sum) => {
                recipe.file(path, sums)?;
                recipe.maybe(sum.as_ref(), |recipe, sum| recipe.text(sum));
            }
            (DumpSource::Command { command: _, folder: _ }, Some(sum)) => recipe.text(sum),
            (DumpSource::Command { .. }, None) => return Ok(None),
        }
    }
    recipe.number(after.len() as u64);
    for script in after {
        recipe.file(script, sums)?;
    }
    if let Some(ProfileWish { path, scale, file: _, line: _ }) = profile {
        recipe.text("profile");
        recipe.file(path, sums)?;
        recipe.number(scale.to_bits());
    }
    recipe.number(*seed);
    recipe.number(tables.len() as u64);
    for TableWish { name, rows, columns, file: _, line: _ } in tables {
        recipe.text(name);
        recipe.number(*rows);
        recipe.number(columns.len() as u64);
        for (name, column) in columns {
            recipe.text(name);
            recipe.column(column);
        }
    }
    Ok(Some(recipe.finish()))
}

/// Whether making this data takes so long that it is worth keeping: a second or two make no difference.
pub(crate) fn is_large(wish: &SnapshotWish) -> bool {
    const DUMPS: u64 = 1 << 20;
    const ROWS: u64 = 200_000;
    let profiled = profiled(wish);
    dumped(wish) >= DUMPS || grown(wish).saturating_add(profiled.rows) >= ROWS
}

/// Whether copying this data takes so long that nobody waits for it without being asked.
pub(crate) fn is_copied_long(wish: &SnapshotWish) -> bool {
    estimate(wish) >= LARGE
}

/// About how many bytes the data will have: dumps are text that indexes come to, or compressed; a row is small.
pub(super) fn estimate(wish: &SnapshotWish) -> u64 {
    let known = profiled(wish).bytes;
    dumped(wish).saturating_mul(3).saturating_add(grown(wish).saturating_mul(150)).saturating_add(known)
}

/// What a profile says of the data that is made after it. One that cannot be read is told of where it is used.
#[derive(Default)]
struct Profiled {
    rows: u64,
    bytes: u64,
}

fn profiled(wish: &SnapshotWish) -> Profiled {
    let Some(how) = &wish.profile else { return Profiled::default() };
    let Ok(profile) = Profile::read(&how.path) else { return Profiled::default() };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size, times a positive scale")]
    let scaled = |number: u64| (number as f64 * how.scale) as u64;
    let tables = profile.tables.iter();
    let bytes = tables
        .clone()
        .map(|table| table.bytes + table.toast_bytes + table.indexes.iter().map(|index| index.bytes).sum::<u64>());
    Profiled { rows: scaled(tables.filter_map(|table| table.rows).sum()), bytes: scaled(bytes.sum()) }
}

fn grown(wish: &SnapshotWish) -> u64 {
    wish.tables.iter().map(|table| table.rows).fold(0, u64::saturating_add)
}

fn dumped(wish: &SnapshotWish) -> u64 {
    let size_of = |dump: &Dump| match &dump.from {
        DumpSource::File(path) => size(path),
        // What a program brings from elsewhere is hardly small.
        DumpSource::Command { .. } => LARGE,
    };
    wish.restore.iter().map(size_of).fold(0, u64::saturating_add)
}

/// Each thing with its length or in a fixed one, so that no two lists of things look alike.
struct Recipe(Sha256);

impl Recipe {
    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text);
    }

    fn file(&mut self, path: &Path, sums: &mut Sums<'_>) -> Result<(), (PathBuf, io::Error)> {
        // Its name may tell its format.
        self.text(&path.file_name().unwrap_or_default().to_string_lossy());
        self.text(&sums.of(path).map_err(|error| (path.to_path_buf(), error))?);
        Ok(())
    }

    fn maybe<T>(&mut self, value: Option<T>, say: impl FnOnce(&mut Self, T)) {
        self.number(u64::from(value.is_some()));
        if let Some(value) = value {
            say(self, value);
        }
    }

    fn column(&mut self, column: &ColumnWish) {
        let ColumnWish { values, null_fraction, distinct, range, pattern, references, distribution } = column;
        self.maybe(values.as_ref(), |recipe, values| {
            recipe.number(values.len() as u64);
            for (value, weight) in values {
                recipe.text(value);
                recipe.number(weight.to_bits());
            }
        });
        self.maybe(*null_fraction, |recipe, fraction| recipe.number(fraction.to_bits()));
        self.maybe(*distinct, Self::number);
        self.maybe(range.as_ref(), |recipe, (low, high)| {
            recipe.text(low);
            recipe.text(high);
        });
        self.maybe(pattern.as_ref(), |recipe, pattern| recipe.text(pattern.text()));
        self.maybe(references.as_ref(), |recipe, references| recipe.text(references));
        self.maybe(*distribution, |recipe, distribution| {
            recipe.text(match distribution {
                Distribution::Even => "even",
                Distribution::Zipf => "zipf",
            });
        });
    }

    fn finish(self) -> String {
        format!("{:x}", self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn of(server: &ServerWish, wish: &SnapshotWish) -> String {
        digest("a server", server, wish, &mut Sums::load(PathBuf::from("/nowhere/sums.json"), &|_| ()))
            .unwrap()
            .expect("it is known")
    }

    fn table(rows: u64, line: u32) -> TableWish {
        TableWish { name: "orders".to_owned(), rows, columns: BTreeMap::new(), file: PathBuf::new(), line }
    }

    #[test]
    fn the_line_of_a_wish_is_nothing_and_every_other_part_of_it_something() {
        let server = ServerWish::default();
        let wish = |table: TableWish, seed| SnapshotWish { tables: vec![table], seed, ..SnapshotWish::default() };
        let one = of(&server, &wish(table(100, 7), 1));
        assert_eq!(one, of(&server, &wish(table(100, 8), 1)));
        let column = |name: &str| {
            let columns =
                BTreeMap::from([(name.to_owned(), ColumnWish { distinct: Some(2), ..ColumnWish::default() })]);
            TableWish { columns, ..table(100, 7) }
        };
        let settings = BTreeMap::from([("wal_level".to_owned(), "logical".to_owned())]);
        let others = [
            of(&server, &wish(table(101, 7), 1)),
            of(&server, &wish(table(100, 7), 2)),
            of(&server, &wish(column("a"), 1)),
            of(&server, &wish(column("b"), 1)),
            of(&ServerWish { settings, ..ServerWish::default() }, &wish(table(100, 7), 1)),
        ];
        let all: std::collections::BTreeSet<&String> = others.iter().chain([&one]).collect();
        assert_eq!(all.len(), 6);
    }

    #[test]
    fn what_a_program_writes_is_known_by_its_sum_alone() {
        let from = DumpSource::Command { command: "cat shop.sql".to_owned(), folder: PathBuf::from(".") };
        let of = |sha256: Option<String>| {
            let restore = vec![Dump { from: from.clone(), sha256 }];
            let wish = SnapshotWish { restore, ..SnapshotWish::default() };
            digest("a server", &ServerWish::default(), &wish, &mut Sums::load(PathBuf::new(), &|_| ())).unwrap()
        };
        assert_eq!(of(None), None);
        assert!(of(Some("a".to_owned())).is_some());
        assert_ne!(of(Some("a".to_owned())), of(Some("b".to_owned())));
    }

    #[test]
    fn a_dump_is_known_by_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let dump = folder.path().join("shop.sql");
        let wish = SnapshotWish { restore: vec![dump.clone().into()], ..SnapshotWish::default() };
        std::fs::write(&dump, "SELECT 1;").unwrap();
        let before = of(&ServerWish::default(), &wish);
        std::fs::write(&dump, "SELECT 2;").unwrap();
        assert_ne!(before, of(&ServerWish::default(), &wish));
    }
}
