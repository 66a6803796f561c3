//! `[expect]`: what must come out.

use crate::run::{Class, Deploy, Status};
use crate::scenario::Expect;
use crate::scenario::table::Table;
use crate::scenario::value::Value;

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

/// A code by its form; whether there is such a finding is not known here.
pub(super) fn code(value: &Value<'_>) -> Option<String> {
    let code = value.string()?;
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    if !code.split('-').all(is_word) {
        let help = "codes are small letters with hyphens, such as `table-rewrite`";
        return value.refuse(&format!("cannot be `{code}`"), help);
    }
    Some(code.to_owned())
}
