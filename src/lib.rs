//! `rehearsal` runs a database migration before production does, and says what it locks, blocks, rewrites and breaks.
//!
//! This is the map. A rehearsal flows from top to bottom; each room knows only those above it, but for two: `run` (the facts), which
//! all of them fill or read, and the readers of `profile`, which take the kinds of columns and the estimates from `snapshot`.
//!
//! ```text
//! scenario.toml
//!   scenario    the file a user writes -> a Scenario without invalid state
//!   server      a scratch server by provider (local, container, external, command), owned by one guard
//!   sql         scripts -> statements
//!   profile     what a production database's statistics say of its tables: a file, read by people and by snapshot
//!   snapshot    dumps restored, tables grown, or made after a profile; data folders kept and cloned (store)
//!   query       the old and the new application's queries: run before, between and after, compared
//!   observe     what one statement did: locks, blocking, rewrites, counters
//!   tap         the wire proxy between migration tool and server: where statements begin and end -> observe
//!   migration   what is pending and how it is run: versioned SQL files, or any command
//!   rehearse    the stages in order; sends events; owns cancellation
//!        \_ events: progress bars and the builder of the Run both only listen
//!   run         the facts of one rehearsal: run.json
//!   verdict     pure: facts + limits -> findings, class, deploy order
//!   report      pure: facts + verdict -> text, JSON
//!   self_test   how exact observe and its probes are on this machine: known locks beside clocks of others
//!   cli         arguments, exit codes, the only place that prints
//! ```
//!
//! Measuring never prints, rendering never measures. The clock wraps the statement and nothing else. What was not
//! observed is `None`, never zero.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod cli;
pub mod migration;
pub mod observe;
pub mod profile;
pub mod query;
pub mod rehearse;
pub mod report;
pub mod run;
pub mod scenario;
pub mod self_test;
pub mod server;
pub mod snapshot;
pub mod sql;
pub mod tap;
pub mod verdict;
