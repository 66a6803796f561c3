//! `rehearsal doctor`: which providers and server versions can be used here, and why not; and how exact the instrument is here.

pub(super) mod self_test;

use super::{ExitStatus, Printer};
use crate::scenario::Engine;
use crate::server::{binaries, container, local};
use crate::snapshot::store;

const ENGINES: [Engine; 3] = [Engine::Postgres, Engine::Mysql, Engine::Mariadb];

pub(super) async fn doctor(printer: &Printer) -> ExitStatus {
    let local = describe_local(printer);
    let container = match container::describe().await {
        Ok((version, images)) => {
            printer.result(&format!("container: usable, Docker engine {version}"));
            for image in &images {
                printer.result(&format!("  {image}"));
            }
            for engine in ENGINES.map(container::official) {
                if !images.iter().any(|image| image.split(':').next() == Some(engine)) {
                    printer.result(&format!("  no {engine} image is there yet; the first run pulls one"));
                }
            }
            true
        }
        Err(error) => {
            printer.result(&format!("container: not usable, {}", error.to_string().lines().next().unwrap_or_default()));
            false
        }
    };
    let auto = match (container, local) {
        (true, _) => "auto takes a container if its image is there or can be pulled, else local binaries",
        (false, true) => "auto takes local binaries",
        (false, false) => "no scratch server can be started here: install a database server, or start Docker",
    };
    if container || local {
        printer.result(&format!("prepared snapshots: {}", store::describe()));
    }
    printer.result(auto);
    if container || local { ExitStatus::Pass } else { ExitStatus::Environment }
}

/// Tells of the server programs of this machine; whether there are any.
fn describe_local(printer: &Printer) -> bool {
    let found = ENGINES.map(|engine| (engine, binaries::installations(engine)));
    if found.iter().all(|(_, installations)| installations.is_empty()) {
        printer.result("local: not usable, no server binaries");
    } else {
        printer.result("local: usable");
    }
    for (engine, installations) in &found {
        for installation in installations {
            let (version, folder) = (&installation.version, installation.folder.display());
            printer.result(&format!("  {engine:10} {version:8} {folder}"));
        }
        if installations.is_empty() {
            printer.result(&format!("  no {engine}: looked in {}", binaries::places(*engine)));
        } else if let Some(user) = local::runs_as(*engine) {
            printer.result(&format!("  {engine} runs as the user {user}, since it refuses to run as root"));
        }
    }
    let local = found.iter().any(|(_, installations)| !installations.is_empty());
    if local {
        printer.result(&format!("  kept between runs: {}", local::kept_in().display()));
    }
    local
}
