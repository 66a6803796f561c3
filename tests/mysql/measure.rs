//! What the observer tells of statements is what the server did.

mod facts;
mod rig;
mod statements;
mod windows;
