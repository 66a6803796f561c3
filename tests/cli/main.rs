//! The program as its users meet it: the built binary, on real servers, judged by its exit code, its output and what it
//! leaves behind. A server or an engine that is missing fails these tests; none is skipped.

#![allow(clippy::unwrap_used)]

mod alembic;
mod catalogue;
mod command;
mod data;
mod docker;
mod elsewhere;
mod endings;
mod engine;
mod external;
mod history;
mod interruption;
mod leftovers;
mod loss;
mod names;
mod outputs;
mod passes;
mod prepared;
mod process;
mod providers;
mod remote;
mod sandbox;
mod secrets;
mod self_test;
mod stages;
mod tools;
