//! The versions of PostgreSQL that this machine lacks, in containers: one container for all that differs with the version.

use crate::lab::{Lab, Place, with_server};
use crate::{dumps, keys, rest, types};

fn restores_and_grows(version: &'static str) {
    with_server(Place::Container(version), async |lab: &Lab| {
        dumps::a_plain_dump_is_restored_by(lab).await;
        dumps::a_custom_dump_is_restored_by(lab).await;
        dumps::restoring_archives_crashes_nothing_on(lab).await;
        dumps::a_dump_is_not_known_by_its_name_on(lab).await;
        types::every_type_grows_on(lab).await;
        keys::keys_hold_on(lab).await;
        rest::growing_is_cancelled_on(lab).await;
    });
}

#[test]
fn a_container_of_15_restores_and_grows() {
    restores_and_grows("15");
}

#[test]
fn a_container_of_17_restores_and_grows() {
    restores_and_grows("17");
}

#[test]
fn a_container_of_18_restores_and_grows() {
    restores_and_grows("18");
}
