//! A machine that runs out of memory: it ends a process of the server, or all of it.

use crate::scenario::Engine;
use crate::server::Server;

/// How a server ended, as far as that is known, and what to do. Linux says to nobody but its own log that it ended a process
/// for its memory; of the signal it does so by (`SIGKILL`) the server's parent knows.
pub(super) async fn ended(server: &Server, log: &str) -> String {
    let settings = match server.engine() {
        Engine::Postgres => "shared_buffers, work_mem, maintenance_work_mem",
        Engine::Mysql | Engine::Mariadb => "innodb_buffer_pool_size, tmp_table_size",
    };
    if server.was_killed(log).await {
        format!(
            "it, or a process of it, was killed (signal 9), as Linux does where memory runs out\n  if nobody did so: give the machine or its \
             containers more memory, or the server less ([server] settings: {settings})"
        )
    } else {
        "it ended or was killed".to_owned()
    }
}
