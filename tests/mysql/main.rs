//! MySQL and MariaDB, as the program meets them: real servers, from this machine's binaries and in containers.

mod lab;
mod servers;
