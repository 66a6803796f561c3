//! Judged facts, as the record keeps them. How they are come by is [`crate::verdict`]'s.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A judged fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// A word from `rehearsal explain` (`table-rewrite`).
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// The migration (its `id`) that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration: Option<String>,
    /// Which of the versions that a command applied, as its tool calls it; left out where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The file to look at: the migration's, or the query's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The query, for findings about query sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// One sentence with the figure in it.
    pub message: String,
    /// The figures that it rests on.
    pub evidence: BTreeMap<String, serde_json::Value>,
    /// What to do instead.
    pub help: String,
    /// The same change of the same table in SQL that spares the application, step by step; left out where there is none, or the
    /// statement was not understood for certain. All of it together ends where the statement does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instead: Vec<Step>,
    /// By what the scenario waives it; left out where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<Waived>,
    /// The statement, among those that are judged; for as long as they are.
    #[serde(skip)]
    pub(crate) statement: Option<usize>,
}

/// One step of the safe way: a migration of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// How it is to be run.
    pub run: Conduct,
    /// Its statements in order, without what ends them.
    pub sql: Vec<String>,
}

/// How a step is to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Conduct {
    /// In a transaction of its own.
    Transaction,
    /// Outside a transaction, statement by statement.
    OutsideTransaction,
}

/// Why a finding does not make the verdict fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Waived {
    /// As the scenario has it.
    pub reason: String,
    /// The last day on which that holds.
    pub until: String,
}

/// How bad a finding is. Only errors make the verdict fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Look at it before the deploy.
    Warning,
    /// Do not deploy this.
    Error,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// May this be deployed?
    pub status: Status,
    /// What kind of change it is; left out when a migration was not applied and what ran shows nothing against it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// In what order; left out when there are no query sets to know it from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deploy: Option<Deploy>,
    /// Why, a sentence each.
    pub reasons: Vec<String>,
}

/// May this be deployed?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No finding of severity error that is not waived.
    Pass,
    /// At least one.
    Fail,
}

/// What kind of change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Nothing that ran before stops working, nothing is blocked beyond the limits.
    Additive,
    /// Data or schema that was there is gone.
    Destructive,
    /// Work grows with the table.
    Slow,
}

/// In what order the migrations and the application are to be deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Deploy {
    /// Either may be first.
    AnyOrder,
    /// Migrations, then the application.
    MigrateFirst,
    /// The application, then, once no old version is left running, the migrations.
    DeployFirst,
    /// No safe order: split it into phases.
    ExpandContract,
    /// The new application does not work on the new schema.
    Broken,
}

/// The words of the record, so that a report, a scenario and `run.json` spell them alike.
macro_rules! words {
    ($type:ty { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $(Self::$variant => $word,)+
                })
            }
        }
    };
}

words!(Severity { Info => "info", Warning => "warning", Error => "error" });
words!(Conduct { Transaction => "transaction", OutsideTransaction => "outside-transaction" });
words!(Status { Pass => "pass", Fail => "fail" });
words!(Class { Additive => "additive", Destructive => "destructive", Slow => "slow" });
words!(Deploy {
    AnyOrder => "any-order",
    MigrateFirst => "migrate-first",
    DeployFirst => "deploy-first",
    ExpandContract => "expand-contract",
    Broken => "broken",
});

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_spelled_alike<T: Serialize + fmt::Display>(words: impl IntoIterator<Item = T>) {
        for word in words {
            assert_eq!(serde_json::to_string(&word).expect("plain"), format!("\"{word}\""));
        }
    }

    #[test]
    fn words_are_shown_as_the_record_spells_them() {
        assert_spelled_alike([Severity::Info, Severity::Warning, Severity::Error]);
        assert_spelled_alike([Conduct::Transaction, Conduct::OutsideTransaction]);
        assert_spelled_alike([Status::Pass, Status::Fail]);
        assert_spelled_alike([Class::Additive, Class::Destructive, Class::Slow]);
        assert_spelled_alike([Deploy::AnyOrder, Deploy::MigrateFirst, Deploy::DeployFirst]);
        assert_spelled_alike([Deploy::ExpandContract, Deploy::Broken]);
    }
}
