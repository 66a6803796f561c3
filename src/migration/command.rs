//! The `command` tool: any program that migrates, with `DATABASE_URL` and the `PG*` or `MYSQL_*` variables pointing at the tap.

mod option_file;
mod own_options;
mod variables;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::scenario::Engine;
use crate::server::access::Login;
use crate::server::processes;
use option_file::OptionFile;

/// As much of a program's output is kept, from its end.
const KEPT: usize = 64 * 1024;
/// How long a program may take to end once it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// Why a command did not migrate.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started.
    #[error("`{command}` could not be started: {source}")]
    NotStarted {
        /// The command.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// A client of MySQL that it starts would not go to the scratch server.
    #[error(
        "{}, line {}: `{}` goes before MYSQL_HOST and MYSQL_TCP_PORT, so a mysql client that the command starts would go to \
         that server; take it out, or give the command another home: `HOME = \"…\"` in [migrations.tool.command.env]",
        .0.path.display(), .0.line, .0.setting
    )]
    OptionFile(OptionFile),
    /// The option file that leads clients of MySQL to the tap could not be written.
    #[error("the option file for mysql clients could not be written in {}: {source}", .folder.display())]
    OwnOptions {
        /// Its folder.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It ended with a failure.
    #[error("it ended with {status}{output}")]
    Failed {
        /// `exit status: 1`.
        status: String,
        /// The end of what it wrote, set off line by line.
        output: String,
    },
    /// It took longer than it may.
    #[error("it was stopped, since it had not ended after {} s (--timeout){output}", .limit.as_secs())]
    TooLong {
        /// The limit.
        limit: Duration,
        /// The end of what it wrote, set off line by line.
        output: String,
    },
}

/// Where the command shall connect.
#[derive(Debug, Clone)]
pub struct Target {
    /// The engine behind it.
    pub engine: Engine,
    /// The tap.
    pub address: SocketAddr,
    /// As whom.
    pub login: Login,
    /// The database.
    pub database: String,
}

impl Target {
    /// A text that may be shown to anybody.
    fn without_password(&self, text: &str) -> String {
        let Some(password) = self.login.password.as_deref().filter(|password| !password.is_empty()) else {
            return text.to_owned();
        };
        // As it is, and as the URL has it.
        text.replace(password, "***").replace(&variables::encoded(password), "***")
    }
}

/// What came of a command.
#[derive(Debug)]
pub struct Outcome {
    /// Whether it migrated.
    pub result: Result<(), CommandError>,
    /// How many processes it left running, which were ended.
    pub left_running: usize,
}

/// Runs the command to its end.
pub async fn run(
    command: &str,
    folder: &Path,
    env: &BTreeMap<String, String>,
    target: &Target,
    limit: Duration,
) -> Outcome {
    let mut program = Command::new("sh");
    program.arg("-c").arg(command).current_dir(folder).stdin(Stdio::null()).process_group(0);
    program.stdout(Stdio::piped()).stderr(Stdio::piped());
    let url = variables::url(target);
    variables::set(&mut program, target);
    if target.engine != Engine::Postgres
        && let Err(error) = lead_clients(&mut program, env, &target.login.user)
    {
        return Outcome { result: Err(error), left_running: 0 };
    }
    program.envs(env);
    let not_started = |source| CommandError::NotStarted { command: command.to_owned(), source };
    let child = match program.spawn() {
        Ok(child) => child,
        Err(source) => return Outcome { result: Err(not_started(source)), left_running: 0 },
    };
    let mut group = Group { pid: child.id().and_then(|id| i32::try_from(id).ok()), child, url };
    let (stdout, stderr) = (group.child.stdout.take(), group.child.stderr.take());
    let said = tokio::spawn(async move {
        let (out, err) = tokio::join!(last_of(stdout), last_of(stderr));
        [out, err].concat()
    });
    let ended = tokio::time::timeout(limit, group.child.wait()).await;
    if ended.is_err() {
        group.stop().await;
    }
    // What it left running in the background must not hold the pipes open, nor outlive it.
    let left_running = group.end_rest();
    let output = async || {
        let said = tokio::time::timeout(GRACE, said).await.ok().and_then(Result::ok).unwrap_or_default();
        set_off(&target.without_password(&said))
    };
    let result = match ended {
        Err(_) => Err(CommandError::TooLong { limit, output: output().await }),
        Ok(Err(source)) => Err(not_started(source)),
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(CommandError::Failed { status: status.to_string(), output: output().await }),
    };
    Outcome { result, left_running }
}

/// Leads clients of MySQL to the tap by an option file, if none of the user's leads them elsewhere.
fn lead_clients(program: &mut Command, env: &BTreeMap<String, String>, user: &str) -> Result<(), CommandError> {
    if let Some(astray) = option_file::leading_astray(env) {
        return Err(CommandError::OptionFile(astray));
    }
    let home = own_options::write(user).map_err(|(folder, source)| CommandError::OwnOptions { folder, source })?;
    program.env("MYSQL_HOME", home);
    Ok(())
}

/// A program with everything that it started. Dropping it kills them.
struct Group {
    pid: Option<i32>,
    child: Child,
    /// Where the tap is: no other process was started with this.
    url: String,
}

impl Group {
    async fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        if tokio::time::timeout(GRACE, self.child.wait()).await.is_err() {
            self.signal(Signal::SIGKILL);
            let _ = self.child.wait().await;
        }
    }

    /// Ends what is left of it, also in sessions of its own, and says how much that was.
    fn end_rest(&mut self) -> usize {
        let left = processes::end_those_with(variables::URL, &self.url);
        self.signal(Signal::SIGKILL);
        self.pid = None;
        left
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid {
            let _ = killpg(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.pid.is_some() {
            self.end_rest();
        }
    }
}

/// Reads a pipe to its end and keeps its last part.
async fn last_of(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let (mut kept, mut part) = (Vec::new(), [0; 8192]);
    while let Ok(read @ 1..) = pipe.read(&mut part).await {
        kept.extend_from_slice(&part[..read]);
        if kept.len() > 2 * KEPT {
            kept.drain(..kept.len() - KEPT);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// The last lines of an output, each on a line of its own behind a bar; without where in its code a program of Java or
/// JavaScript was, which would be most of them.
fn set_off(output: &str) -> String {
    let is_place = |line: &str| line.starts_with(char::is_whitespace) && line.trim_start().starts_with("at ");
    let lines: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty() && !is_place(line)).collect();
    let last = &lines[lines.len().saturating_sub(12)..];
    last.iter().fold(String::new(), |text, line| text + "\n  | " + line)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target that no other test has, in this process or another: what a command leaves running is known by it.
    fn target(port: u16) -> Target {
        let password = format!("secret{}", std::process::id());
        Target {
            engine: Engine::Postgres,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            login: Login::superuser(Engine::Postgres, Some(&password)),
            database: "rehearsal".to_owned(),
        }
    }

    async fn run_here(command: &str, target: &Target, limit: Duration) -> Outcome {
        run(command, Path::new("/"), &BTreeMap::new(), target, limit).await
    }

    #[tokio::test]
    async fn the_program_is_told_where_the_tap_is() {
        let target = target(4321);
        let url =
            format!("postgresql://postgres:secret{}@127.0.0.1:4321/rehearsal?sslmode=disable", std::process::id());
        let test = format!("test \"$PGHOST:$PGPORT\" = 127.0.0.1:4321 && test \"$DATABASE_URL\" = '{url}'");
        run_here(&test, &target, GRACE).await.result.expect("the variables are set");
    }

    #[tokio::test]
    async fn tools_that_read_other_variables_are_led_to_the_tap_as_well() {
        let target = Target { login: Login::superuser(Engine::Postgres, Some("secret")), ..target(4327) };
        let test = "for url in $FLYWAY_URL $LIQUIBASE_COMMAND_URL $SPRING_DATASOURCE_URL; do \
                    test $url = 'jdbc:postgresql://127.0.0.1:4327/rehearsal?sslmode=disable' || exit 1; done; \
                    test \"$FLYWAY_USER:$FLYWAY_PASSWORD:$LIQUIBASE_COMMAND_USERNAME\" = postgres:secret:postgres \
                    && test \"$GOOSE_DRIVER:$GOOSE_DBSTRING\" = \"postgres:$DATABASE_URL\"";
        run_here(test, &target, GRACE).await.result.expect("the variables are set");
        let target = Target { engine: Engine::Mysql, ..target };
        let test = "test $FLYWAY_URL = jdbc:mysql://127.0.0.1:4327/rehearsal \
                    && test $GOOSE_DRIVER:$GOOSE_DBSTRING = 'mysql:postgres:secret@tcp(127.0.0.1:4327)/rehearsal'";
        let home = BTreeMap::from([("HOME".to_owned(), "/nonexistent".to_owned())]);
        run(test, Path::new("/"), &home, &target, GRACE).await.result.expect("the variables are set");
    }

    #[tokio::test]
    async fn the_program_is_led_to_mysql_and_to_no_other_server() {
        let target = Target {
            engine: Engine::Mariadb,
            login: Login::superuser(Engine::Mariadb, Some("secret")),
            ..target(4325)
        };
        let test = "test \"$MYSQL_HOST:$MYSQL_TCP_PORT:$MYSQL_PORT\" = 127.0.0.1:4325:4325 \
                    && test \"$MYSQL_USER:$MYSQL_PWD:$MYSQL_PASSWORD/$MYSQL_DATABASE\" = root:secret:secret/rehearsal \
                    && test \"$DATABASE_URL\" = mysql://root:secret@127.0.0.1:4325/rehearsal \
                    && test -z \"$MYSQL_UNIX_PORT\" && grep -q '^skip-ssl-verify-server-cert' \"$MYSQL_HOME/my.cnf\" \
                    && test \"$MYSQL_TEST_LOGIN_FILE\" = /dev/null";
        let home = BTreeMap::from([("HOME".to_owned(), "/nonexistent".to_owned())]);
        let outcome = run(test, Path::new("/"), &home, &target, GRACE).await;
        outcome.result.expect("the variables are set");
    }

    #[tokio::test]
    async fn a_password_of_any_letters_is_written_as_a_url_has_it_and_shown_in_neither_form() {
        let login = Login { user: "app@shop".to_owned(), password: Some("p@ss:/w%rd?".to_owned()) };
        let target = Target { login, database: "shop".to_owned(), ..target(4326) };
        let url = "postgresql://app%40shop:p%40ss%3A%2Fw%25rd%3F@127.0.0.1:4326/shop?sslmode=disable";
        assert_eq!(variables::url(&target), url);
        let command = "echo \"$DATABASE_URL $PGPASSWORD\"; exit 1";
        let error = run_here(command, &target, GRACE).await.result.expect_err("it fails");
        let shown = "  | postgresql://app%40shop:***@127.0.0.1:4326/shop?sslmode=disable ***";
        assert_eq!(error.to_string(), format!("it ended with exit status: 1\n{shown}"));
    }

    #[tokio::test]
    async fn a_failure_shows_the_end_of_the_output_without_the_password() {
        let command =
            "echo first; echo '    at Socket.emit (node:events:519:28)'; echo \"Traceback of $PGPASSWORD\" >&2; exit 3";
        let error = run_here(command, &target(4322), GRACE).await.result.expect_err("it fails");
        assert_eq!(error.to_string(), "it ended with exit status: 3\n  | first\n  | Traceback of ***");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_stopped_with_its_children() {
        let limit = Duration::from_millis(200);
        let outcome = run_here("sleep 600 & sleep 600", &target(4323), limit).await;
        assert!(matches!(outcome.result, Err(CommandError::TooLong { .. })));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_process_in_a_session_of_its_own_is_ended_and_counted() {
        let outcome = run_here("setsid sleep 600 & sleep 0.2", &target(4324), GRACE).await;
        assert_eq!((outcome.result.is_ok(), outcome.left_running), (true, 1));
    }
}
