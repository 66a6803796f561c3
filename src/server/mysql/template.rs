//! The data folder that MySQL and MariaDB servers begin with: made once for each version, user and the settings that
//! cannot be changed later.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use tokio::process::Command;

use super::settings;
use crate::scenario::{Engine, ServerWish};
use crate::server::binaries::Installation;
use crate::server::local::{own, program};
use crate::server::owner::ServerUser;
use crate::server::{DATABASE, ServerError};

/// What a data folder is called among the kept ones, after its version and user.
pub(in crate::server) fn suffix(wish: &ServerWish) -> String {
    settings::initial(wish).iter().fold(String::new(), |suffix, (name, value)| {
        // A value may be a path, or nothing that can stand in a file's name.
        let value: String = value.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        format!("{suffix}-{name}-{value}")
    })
}

/// Whether a data folder is whole.
pub(in crate::server) fn is_made(data: &Path) -> bool {
    data.join(DATABASE).exists()
}

/// Makes a data folder with our database in it, at `data`, beside which there is room for files of our own.
pub(in crate::server) async fn make(
    installation: &Installation,
    data: &Path,
    user: Option<&ServerUser>,
    wish: &ServerWish,
) -> Result<(), ServerError> {
    let beside = data.parent().unwrap_or(data);
    let script = beside.join("database.sql");
    fs::write(&script, format!("CREATE DATABASE {DATABASE};\n")).map_err(ServerError::file(&script))?;
    own(&script, user)?;
    let mut options = vec!["--no-defaults".to_owned(), format!("--datadir={}", data.display())];
    options.extend(settings::initial(wish).iter().map(|(name, value)| format!("--{name}={value}")));
    // Nothing is lost that cannot be made anew, so it need not wait for the disk. A small redo log is quick to copy; the
    // server makes it as large as it is to be when it starts.
    options.extend(["--skip-log-bin", "--innodb-flush-log-at-trx-commit=0"].map(str::to_owned));
    options.push(format!("--tmpdir={}", beside.display()));
    if wish.engine == Engine::Mariadb {
        options.push("--innodb-log-file-size=8M".to_owned());
        let mut install = program(&installation.program("mariadb-install-db"), user);
        install.args(&options).args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        run(&mut install, installation, Stdio::null()).await?;
        let mut bootstrap = program(&installation.server, user);
        bootstrap.args(&options).arg("--bootstrap");
        let input = fs::File::open(&script).map_err(ServerError::file(&script))?;
        run(&mut bootstrap, installation, input.into()).await
    } else {
        let mut initialize = program(&installation.server, user);
        initialize.args(&options).args(["--initialize-insecure", "--secure-file-priv="]);
        initialize.arg(format!("--init-file={}", script.display()));
        run(&mut initialize, installation, Stdio::null()).await
    }
}

async fn run(command: &mut Command, installation: &Installation, input: Stdio) -> Result<(), ServerError> {
    let output = command.stdin(input).kill_on_drop(true).output().await;
    let failed = |said: String| ServerError::NoDataFolder { engine: installation.engine, said };
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(Output { stdout, stderr, .. }) => {
            let said = [stdout, stderr].concat();
            Err(failed(crate::server::tail(&String::from_utf8_lossy(&said))))
        }
        Err(error) => Err(failed(format!(": {error}"))),
    }
}
