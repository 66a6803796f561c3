//! Building the record from events.

use std::time::Instant;

use super::{Completion, Overhead, Run, SCHEMA_VERSION, ScenarioFacts};
use crate::rehearse::event::Event;
use crate::scenario::Scenario;

/// A record that grows with each event, so that at any moment it holds the part that was done.
#[derive(Debug)]
pub struct Builder {
    run: Run,
    began: Instant,
}

impl Builder {
    /// A record of nothing yet.
    pub fn new(scenario: &Scenario) -> Self {
        let facts = ScenarioFacts {
            title: scenario.title.clone(),
            path: scenario.path.display().to_string(),
            digest: scenario.digest.clone(),
        };
        Self { run: empty(facts, scenario), began: Instant::now() }
    }

    /// Takes what an event tells.
    pub fn listen(&mut self, event: &Event) {
        match event {
            Event::Note(text) => self.run.notes.push(text.clone()),
            Event::Server(facts) => self.run.server = Some(facts.clone()),
            Event::Snapshot(facts) => self.run.snapshot = Some(facts.clone()),
            Event::Pending(migrations) => self.run.migrations.clone_from(migrations),
            Event::MigrationEnded(index, migration) => {
                if let Some(place) = self.run.migrations.get_mut(*index) {
                    place.clone_from(migration);
                    // The observer may only know what the server guesses (InnoDB's statistics); the snapshot was counted.
                    let tables = self.run.snapshot.as_ref().map_or(&[][..], |snapshot| &snapshot.tables);
                    for blocking in place.blocking.iter_mut().filter(|blocking| !blocking.new) {
                        let counted =
                            tables.iter().find(|table| table.name == blocking.table).and_then(|table| table.rows);
                        blocking.rows = counted.or(blocking.rows);
                    }
                }
            }
            Event::Queries(results) => self.run.queries.extend(results.iter().cloned()),
            Event::Overhead(overhead) => self.run.overhead = overhead.clone(),
            Event::TakenApart { migration, statements } => {
                if let Some(migration) = self.run.migrations.get_mut(*migration) {
                    self.run.notes.extend(migration.take_apart(statements));
                }
            }
            Event::Stalled { migration, stalls, noise_floor } => {
                let floor = &mut self.run.overhead.noise_floor_ms;
                *floor = (*floor).max(Some(*noise_floor));
                if let Some(migration) = self.run.migrations.get_mut(*migration) {
                    for stall in stalls {
                        migration.feel(stall, *noise_floor);
                    }
                }
            }
            Event::Begun(_)
            | Event::Ended(..)
            | Event::Filling { .. }
            | Event::Kept(_)
            | Event::MigrationBegun(_)
            | Event::StatementBegun(_)
            | Event::StatementEnded(_)
            | Event::QueriesBegun(_) => {}
        }
    }

    /// The record, without findings and verdict.
    pub fn finish(mut self, completion: Completion) -> Run {
        self.run.completion = completion;
        self.run.duration_ms = self.began.elapsed().into();
        self.run
    }
}

fn empty(facts: ScenarioFacts, scenario: &Scenario) -> Run {
    Run {
        schema_version: SCHEMA_VERSION,
        rehearsal_version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: jiff::Timestamp::now().to_string(),
        duration_ms: super::Millis::default(),
        completion: Completion::Interrupted,
        scenario: facts,
        server: None,
        snapshot: None,
        migrations: Vec::new(),
        queries: Vec::new(),
        findings: Vec::new(),
        verdict: None,
        limits: scenario.limits.clone(),
        waivers: scenario.waivers.clone(),
        overhead: Overhead::default(),
        notes: Vec::new(),
    }
}
