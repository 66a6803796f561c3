//! What one statement did: locks, blocking, rewrites, counters.

pub mod postgres;
