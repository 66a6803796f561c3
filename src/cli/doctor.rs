//! `rehearsal doctor`: which providers and server versions can be used here, and why not.

use super::{ExitStatus, Printer};
use crate::server::{binaries, container, local};

pub(super) async fn doctor(printer: &Printer) -> ExitStatus {
    let installations = binaries::installations();
    let local = !installations.is_empty();
    if local {
        printer.result("local: usable");
        for installation in &installations {
            printer.result(&format!("  PostgreSQL {:8} {}", installation.version, installation.folder.display()));
        }
        if let Some(user) = local::runs_as() {
            printer.result(&format!("  servers run as the user {user}, since PostgreSQL refuses to run as root"));
        }
        printer.result(&format!("  kept between runs: {}", local::kept_in().display()));
    } else {
        printer.result(&format!("local: not usable, no server binaries in {}", binaries::places()));
    }
    let container = match container::describe().await {
        Ok((version, images)) => {
            printer.result(&format!("container: usable, Docker engine {version}"));
            for image in &images {
                printer.result(&format!("  {image}"));
            }
            if images.is_empty() {
                printer.result("  no postgres image is there yet; the first run pulls one");
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
        (false, false) => "no scratch server can be started here: install PostgreSQL, or start Docker",
    };
    printer.result(auto);
    if container || local { ExitStatus::Pass } else { ExitStatus::Environment }
}
