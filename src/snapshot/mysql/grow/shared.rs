//! Foreign keys that share columns with others that are settled already: orders and customers of the same tenant.
//!
//! The key of the one parent is drawn as always, and that of the other among those which have the same values in the shared
//! columns. Keys of the first that nothing fits are not drawn at all.

use super::error::GrowError;
use super::keys::Keeping;
use super::plan::Draft;
use super::references::{parent_keys, tangled};
use super::source::Source;
use super::table::Foreign;
use crate::snapshot::grow::draw::{Draw, Weights};
use crate::snapshot::grow::within;

/// Settles a foreign key; `false` if nothing fits.
pub(crate) async fn settle(
    draft: &mut Draft<'_>,
    key: &Foreign,
    columns: &[usize],
    keeping: &Keeping,
) -> Result<bool, GrowError> {
    let (mut shared, mut open, mut origins) = (Vec::new(), Vec::new(), Vec::new());
    for (here, at) in columns.iter().enumerate() {
        match draft.sources[*at] {
            Some(Source::Drawn { draw, part }) => {
                shared.push((here, part));
                origins.push(draw);
            }
            Some(_) => return Ok(false),
            None => open.push((here, *at)),
        }
    }
    origins.dedup();
    let [of] = origins[..] else { return Ok(false) };
    let said = |at: usize| draft.wish_of(at).is_some_and(|wish| wish.distinct.is_some() || wish.distribution.is_some());
    if let Some((_, at)) = open.iter().find(|(_, at)| said(*at)) {
        let why = format!(
            "foreign key {} shares columns with another one, and is drawn with it; leave out `distinct` and \
                           `distribution`",
            key.name
        );
        return Err(draft.column_error(*at, why));
    }
    let keys = parent_keys(draft, key).await?;
    let keep = if open.is_empty() {
        let parts: Vec<usize> = shared.iter().map(|(_, part)| *part).collect();
        within::are_among(&draft.world.draws[of], &parts, &keys)
    } else {
        let (keys, within) = within::fit(&keys, of, &draft.world.draws[of], &shared);
        let keep = within.fits();
        if keep.contains(&true) {
            let draw = draft.world.draws.len();
            let used = keys.len();
            let within = Some(within);
            draft.world.draws.push(Draw { keys, used, null_with: None, weights: Weights::default(), within });
            for (part, at) in open {
                draft.sources[at] = Some(Source::Drawn { draw, part });
            }
        }
        keep
    };
    if !keep.contains(&true) {
        return Ok(false);
    }
    retain(draft, key, of, &keep, keeping)?;
    Ok(true)
}

/// Takes keys out of a draw, and out of the combinations that it is part of.
fn retain(draft: &mut Draft<'_>, key: &Foreign, of: usize, keep: &[bool], keeping: &Keeping) -> Result<(), GrowError> {
    if !keep.contains(&false) {
        return Ok(());
    }
    // Where the keys that fit are, hangs on the other's order.
    if draft.world.draws[of].within.is_some() {
        return Err(tangled(draft, key));
    }
    within::retain(&mut draft.world.draws, of, keep);
    if let Some(combinations) = draft.combinations.take_if(|combinations| combinations.has(of)) {
        let combinations = combinations.again(&draft.world.draws, &mut draft.rng);
        let counts = keeping.combined.as_ref().is_some_and(|combined| combined.counter.is_some());
        if !counts && combinations.free() < draft.rows {
            return Err(tangled(draft, key));
        }
        draft.combinations = Some(combinations);
    }
    Ok(())
}
