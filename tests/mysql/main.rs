//! What is MySQL's and MariaDB's own, on real servers.

mod generate;
mod grow;
mod restore;
