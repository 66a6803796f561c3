//! What is done on MySQL and MariaDB, on real servers.

mod queries;
