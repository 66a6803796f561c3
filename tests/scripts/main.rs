//! Scripts and migration files of MySQL and MariaDB, on real servers.

mod container;
mod dumps;
mod files;
mod splitting;

/// Runs a test to its end.
fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(test)
}
