//! What is measured, on real servers: statements whose locks, rewrites and scans are known, an independent session
//! that is blocked and compares its own clock, and real clients through the tap.
//!
//! Needed are a local PostgreSQL, `psql`, and a Docker engine with the images of [`rig::VERSIONS`]; what is missing is
//! a failure. Tests with figures that others would disturb run alone. Figures are printed to stderr (`--nocapture`).

mod advice;
mod agreement;
mod apart;
mod clients;
mod counters;
mod facts;
mod fixture;
mod histories;
mod history_cases;
mod matrix;
mod offenders;
mod probes;
mod protocol;
mod rig;
mod scale;
mod snapshots;
mod witness;
