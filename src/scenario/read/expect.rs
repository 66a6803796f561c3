//! `[expect]`: what must come out.

use crate::run::{Class, Deploy, Status};
use crate::scenario::Expect;
use crate::scenario::codes::code;
use crate::scenario::table::Table;

pub(super) fn read(expect: &mut Table<'_>) -> Expect {
    Expect {
        verdict: word(expect, "verdict", &[("pass", Status::Pass), ("fail", Status::Fail)]),
        class: word(
            expect,
            "class",
            &[("additive", Class::Additive), ("destructive", Class::Destructive), ("slow", Class::Slow)],
        ),
        deploy: word(
            expect,
            "deploy",
            &[
                ("any-order", Deploy::AnyOrder),
                ("migrate-first", Deploy::MigrateFirst),
                ("deploy-first", Deploy::DeployFirst),
                ("expand-contract", Deploy::ExpandContract),
                ("broken", Deploy::Broken),
            ],
        ),
        findings: expect.take("findings").map(|value| value.items().iter().filter_map(code).collect()),
    }
}

fn word<T: Copy>(expect: &mut Table<'_>, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
    expect.take(key).and_then(|value| value.word(words, &[]))
}
