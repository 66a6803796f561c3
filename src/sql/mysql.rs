//! Scripts of MySQL and MariaDB: where statements end, and what kind they are.

pub mod name;
