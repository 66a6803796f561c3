//! What is MySQL's and MariaDB's own, on real servers.

mod grow;
