//! A folder of its own for each test: scenario files, cache, temporary files, and the binary run in it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::process;

/// The smallest scenario that has everything: a table, a migration that adds a column, a query of each version.
const SCENARIO: &str = r#"title = "Add a status"
engine = "postgres"

[server]
provider = "local"

[snapshot]
restore = "staging.sql"

[migrations]
path = "migrations"

[queries]
old = "queries/old.sql"
new = "queries/new.sql"
"#;

const STAGING: &str = "CREATE TABLE orders (id bigint PRIMARY KEY, total numeric NOT NULL);\n\
                       INSERT INTO orders SELECT i, i FROM generate_series(1, 1000) i;\n";

/// A test's own folder.
pub(crate) struct Sandbox {
    root: TempDir,
}

/// What the program said, and how it ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    /// With nothing in it but an empty cache.
    pub(crate) fn empty() -> Self {
        let root = tempfile::Builder::new().prefix("cli-test-").tempdir().expect("a temporary folder");
        // The servers run as another user if the tests run as root.
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).expect("our own folder");
        for folder in ["cache", "tmp"] {
            fs::create_dir(root.path().join(folder)).expect("our own folder");
        }
        // Fresh data folders are the same for every test: making it takes a second of each.
        let shared = std::env::temp_dir().join(format!("rehearsal-tests-{}", nix::unistd::getuid())).join("fresh");
        fs::create_dir_all(&shared).expect("the temporary folder can be written");
        symlink(shared, root.path().join("cache/fresh")).expect("our own folder");
        Self { root }
    }

    /// With the smallest scenario that has everything, which passes.
    pub(crate) fn shop() -> Self {
        Self::empty()
            .with("scenario.toml", SCENARIO)
            .with("staging.sql", STAGING)
            .with("migrations/001_add_status.sql", "ALTER TABLE orders ADD COLUMN status text;\n")
            .with("queries/old.sql", "-- name: orders\nSELECT id, total FROM orders WHERE id < 10;\n")
            .with("queries/new.sql", "-- name: orders\nSELECT id, status FROM orders WHERE id < 10;\n")
    }

    /// The shop, migrated by a command instead of files.
    pub(crate) fn migrated_by(command: &str) -> Self {
        let sandbox = Self::shop();
        let tool = format!("[migrations.tool.command]\ncommand = '''{command}'''\n");
        sandbox.replacing("scenario.toml", "[migrations]\npath = \"migrations\"\n", &tool)
    }

    /// The same with this file.
    pub(crate) fn with(self, path: &str, text: &str) -> Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("files are in the sandbox")).expect("our own folder");
        fs::write(path, text).expect("our own folder");
        self
    }

    /// The same with a part of a file replaced.
    pub(crate) fn replacing(self, path: &str, old: &str, new: &str) -> Self {
        let text = fs::read_to_string(self.path(path)).expect("a file of the sandbox");
        assert!(text.contains(old), "{path} has no {old:?}");
        self.with(path, &text.replacen(old, new, 1))
    }

    /// The same on a server in a container.
    pub(crate) fn in_container(self) -> Self {
        self.replacing("scenario.toml", "provider = \"local\"", "provider = \"container\"\nversion = \"17\"")
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// The program in this folder, its environment as it would be on a quiet machine.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rehearsal"));
        command.args(arguments).current_dir(self.root.path()).stdin(Stdio::null());
        command.env("REHEARSAL_CACHE_DIR", self.path("cache")).env("TMPDIR", self.path("tmp"));
        // For most of what is tested a second would tell nothing more.
        command.env("REHEARSAL_PASSES", "1");
        for name in ["CI", "NO_COLOR", "CLICOLOR_FORCE", "REHEARSAL_LOG", "REHEARSAL_POSTGRES_BIN"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        ended(&mut self.command(arguments))
    }

    /// Runs the scenario; the record goes to `out/run.json`.
    pub(crate) fn rehearse(&self) -> Ended {
        self.run(&["run", "scenario.toml", "--out", "out"])
    }

    /// Starts a rehearsal that a test will not let come to its end.
    pub(crate) fn start(&self) -> Running<'_> {
        self.start_with(&[])
    }

    /// The same, with these variables.
    pub(crate) fn start_with(&self, variables: &[(&str, &str)]) -> Running<'_> {
        let mut command = self.command(&["run", "scenario.toml", "--out", "out"]);
        command.envs(variables.iter().copied());
        self.started(command)
    }

    /// The same in two passes.
    pub(crate) fn start_both_passes(&self) -> Running<'_> {
        self.start_both_passes_with(&[])
    }

    /// The same, with these variables.
    pub(crate) fn start_both_passes_with(&self, variables: &[(&str, &str)]) -> Running<'_> {
        let mut command = self.command(&["run", "scenario.toml", "--out", "out", "--passes", "2"]);
        command.envs(variables.iter().copied());
        self.started(command)
    }

    fn started(&self, mut command: Command) -> Running<'_> {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary is built");
        Running { sandbox: self, child: Some(child) }
    }

    /// The record of the last rehearsal.
    pub(crate) fn record(&self) -> Value {
        let path = self.path("out/run.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).expect("run.json is JSON")
    }

    /// The process ids of the scratch servers that run in this sandbox.
    pub(crate) fn postmasters(&self) -> Vec<i32> {
        let Ok(servers) = fs::read_dir(self.path("cache/servers")) else { return Vec::new() };
        let pid_file = |server: fs::DirEntry| fs::read_to_string(server.path().join("data/postmaster.pid")).ok();
        servers.flatten().filter_map(pid_file).filter_map(|text| text.lines().next()?.trim().parse().ok()).collect()
    }

    /// The process ids of the scratch servers of MariaDB and MySQL that run in this sandbox.
    pub(crate) fn mysqlds(&self) -> Vec<i32> {
        let sockets = fs::read_dir(self.path("tmp")).into_iter().flatten().flatten();
        let pid_file = |folder: fs::DirEntry| fs::read_to_string(folder.path().join("mysqld.pid")).ok();
        sockets.filter_map(pid_file).filter_map(|text| text.trim().parse().ok()).collect()
    }

    /// Asks the local server that runs in this sandbox; `None` while there is none that answers.
    pub(crate) fn psql(&self, sql: &str) -> Option<String> {
        let socket = fs::read_dir(self.path("tmp")).ok()?.flatten().find(|entry| entry.path().is_dir())?;
        let mut psql = Command::new("psql");
        psql.arg("-XqAth").arg(socket.path()).args(["-U", "postgres", "-d", "rehearsal", "-c", sql]);
        let output = psql.output().expect("psql is installed");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Everything that a run should have taken away and has not.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let mut left = process::in_folder(self.root.path());
        for folder in ["cache/servers", "tmp"] {
            let entries = fs::read_dir(self.path(folder)).into_iter().flatten().flatten();
            left.extend(entries.map(|entry| entry.path().display().to_string()));
        }
        let making = fs::read_dir(self.path("cache/fresh")).into_iter().flatten().flatten();
        let making = making.map(|entry| entry.file_name().to_string_lossy().into_owned());
        left.extend(making.filter(|name| {
            name.strip_prefix("making-").is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
        }));
        left
    }

    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        // The kernel takes a moment to bury what was killed.
        process::wait_for("nothing to be left behind", || self.leftovers().is_empty().then_some(()));
    }
}

/// A rehearsal that runs.
pub(crate) struct Running<'a> {
    sandbox: &'a Sandbox,
    child: Option<Child>,
}

impl Running<'_> {
    pub(crate) fn pid(&self) -> i32 {
        let id = self.child.as_ref().expect("it has not been waited for").id();
        i32::try_from(id).expect("process ids are small")
    }

    /// Waits until something is so; fails with what the program said if it ends before.
    #[track_caller]
    pub(crate) fn until<T>(&mut self, what: &str, condition: impl Fn(&Sandbox) -> Option<T>) -> T {
        let sandbox = self.sandbox;
        let child = self.child.as_mut().expect("it has not been waited for");
        process::wait_for(what, || {
            assert!(child.try_wait().expect("our child").is_none(), "the run ended before {what}");
            condition(sandbox)
        })
    }

    /// Waits until a statement sleeps on the local server, and gives the server's process id.
    #[track_caller]
    pub(crate) fn until_sleeping(&mut self) -> i32 {
        let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        self.until("a statement sleeps", |sandbox| {
            let awake = sandbox.psql(asleep)? == "0";
            (!awake).then(|| sandbox.postmasters().pop()).flatten()
        })
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        process::signal(self.pid(), signal);
    }

    /// Waits for the end, which has to come within a time in which no test's statement would end by itself.
    #[track_caller]
    pub(crate) fn ended(mut self) -> Ended {
        let child = self.child.take().expect("it has not been waited for");
        let pid = i32::try_from(child.id()).expect("process ids are small");
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = receiver.recv_timeout(Duration::from_secs(20)) else {
            process::signal(pid, nix::sys::signal::Signal::SIGKILL);
            panic!("the program did not end")
        };
        Ended::new(&output.expect("our child"))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A test that fails leaves no server running.
impl Drop for Sandbox {
    fn drop(&mut self) {
        for postmaster in self.postmasters() {
            process::signal(postmaster, nix::sys::signal::Signal::SIGQUIT);
        }
        for mysqld in self.mysqlds() {
            process::signal(mysqld, nix::sys::signal::Signal::SIGKILL);
        }
        // Large data has a file system of its own, if the machine lets us.
        if self.path("cache/volume.xfs").exists() {
            let _ = Command::new("umount").arg("--lazy").arg(self.path("cache/volume")).stderr(Stdio::null()).status();
        }
    }
}

impl Ended {
    fn new(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// What it says is wrong: from the line that begins with `error` on.
    #[track_caller]
    pub(crate) fn error(&self) -> &str {
        let at = self.stderr.find("error: ").unwrap_or_else(|| panic!("no error in {:?}", self.stderr));
        &self.stderr[at..]
    }
}

/// Runs a command to its end.
pub(crate) fn ended(command: &mut Command) -> Ended {
    Ended::new(&command.output().expect("the binary is built"))
}
