//! The Docker engine stops half-way: one clear error, a record that says so, nothing left, and what is left of the
//! container goes once the engine is back.

use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::sys::signal::Signal;

use crate::sandbox::{Ended, Sandbox, ended};
use crate::{docker, process};

const SLEEP: &str = "SELECT pg_sleep(300);\n";

/// A way to the engine of this machine that can be cut, which is what a client sees of an engine that stops.
struct Way {
    socket: PathBuf,
    cut: Arc<Cut>,
}

#[derive(Default)]
struct Cut {
    /// It is cut as soon as a client sends this.
    at: &'static str,
    done: Mutex<bool>,
    streams: Mutex<Vec<UnixStream>>,
}

impl Way {
    /// One that is cut when it is told to, or when a client sends `at`.
    fn new(sandbox: &Sandbox, at: &'static str) -> Self {
        let socket = sandbox.path("engine.sock");
        let listener = UnixListener::bind(&socket).expect("our own folder");
        let cut = Arc::new(Cut { at, ..Cut::default() });
        let clients = Arc::clone(&cut);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let engine = UnixStream::connect("/var/run/docker.sock").expect("the engine listens there");
                clients.let_through(client, engine).expect("both have a second handle");
            }
        });
        Self { socket, cut }
    }

    fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }
}

impl Cut {
    fn now(&self) {
        let mut is_cut = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *is_cut = true;
        for stream in self.streams.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    fn let_through(self: &Arc<Self>, client: UnixStream, engine: UnixStream) -> io::Result<()> {
        let is_cut = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_cut {
            return Ok(());
        }
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).extend([client.try_clone()?, engine.try_clone()?]);
        drop(is_cut);
        let (mut from_client, mut to_engine) = (client.try_clone()?, engine.try_clone()?);
        let (mut from_engine, mut to_client) = (engine, client);
        let cut = Arc::clone(self);
        thread::spawn(move || {
            let mut bytes = [0; 1 << 14];
            while let Ok(count @ 1..) = from_client.read(&mut bytes) {
                if !cut.at.is_empty() && String::from_utf8_lossy(&bytes[..count]).contains(cut.at) {
                    cut.now();
                    return;
                }
                if to_engine.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
            let _ = to_engine.shutdown(Shutdown::Write);
        });
        thread::spawn(move || {
            let _ = io::copy(&mut from_engine, &mut to_client);
            let _ = to_client.shutdown(Shutdown::Write);
        });
        Ok(())
    }
}

#[track_caller]
fn assert_told(what: &str, sandbox: &Sandbox, ended: &Ended) {
    assert_eq!(ended.code, Some(3), "{what}\n{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(ended.stderr.matches("error: ").count(), 1, "{what}: {}", ended.stderr);
    let error = ended.error();
    assert!(error.starts_with("error: the Docker engine stopped, or no longer answers: "), "{what}: {error}");
    assert!(error.contains("start it again; `rehearsal sweep` then removes the container"), "{what}: {error}");
    sandbox.assert_clean();
}

#[track_caller]
fn assert_recorded(what: &str, sandbox: &Sandbox) {
    let record = sandbox.record();
    let why = record["completion"]["failed"].as_str().unwrap_or_default();
    assert!(why.starts_with("the Docker engine stopped"), "{what}: {why}");
}

/// With something that sleeps in its migration, for the engine to stop meanwhile.
fn slow() -> Sandbox {
    Sandbox::shop().with("migrations/002_slow.sql", SLEEP).in_container()
}

#[test]
fn an_engine_that_stops_in_a_migration_and_takes_the_container_with_it() {
    let sandbox = slow();
    let way = Way::new(&sandbox, "");
    let mut run = sandbox.start_with(&[("DOCKER_HOST", &way.address())]);
    let pid = run.pid();
    let container = run.until("a statement sleeps", |_| {
        docker::containers_of(pid).into_iter().find(|container| docker::sleeps(container))
    });
    way.cut.now();
    docker::docker(&["kill", &container]);
    assert_told("migration", &sandbox, &run.ended());
    assert_recorded("migration", &sandbox);
    assert_eq!(sandbox.record()["migrations"][0]["status"], "applied", "what was measured before stays");
    assert_eq!(docker::containers_of(pid).len(), 1, "nobody could remove it");
    way.cut.mend();
    ended(sandbox.command(&["sweep"]).env("DOCKER_HOST", way.address())).expect(0);
    process::wait_for("the container to be gone", || docker::containers_of(pid).is_empty().then_some(()));
}

#[test]
fn an_engine_that_stops_before_the_container_is_removed_costs_no_result() {
    let sandbox = Sandbox::shop().in_container();
    let way = Way::new(&sandbox, "DELETE /");
    let run = sandbox.start_with(&[("DOCKER_HOST", &way.address())]);
    let pid = run.pid();
    let ended_badly = run.ended();
    assert_told("end", &sandbox, &ended_badly);
    assert!(ended_badly.error().contains("all was measured before"), "{}", ended_badly.stderr);
    let record = sandbox.record();
    assert_eq!(record["completion"], "complete");
    assert_eq!(record["migrations"][0]["status"], "applied");
    assert_eq!(record["verdict"]["status"], "pass", "all was measured");
    assert_eq!(docker::containers_of(pid).len(), 1, "nobody could remove it");
    way.cut.mend();
    ended(sandbox.command(&["sweep"]).env("DOCKER_HOST", way.address())).expect(0);
    process::wait_for("the container to be gone", || docker::containers_of(pid).is_empty().then_some(()));
}

/// An engine of the test's own, with the image of one server.
struct Daemon {
    folder: PathBuf,
    process: Child,
}

/// The network of its containers.
const BRIDGE: &str = "rehearsal-own0";

impl Daemon {
    fn start(folder: &Path) -> Self {
        let daemon = Self { folder: folder.to_path_buf(), process: Self::spawn(folder) };
        daemon.wait();
        let image = "docker -H unix:///var/run/docker.sock save postgres:17 | docker load";
        let loaded = Command::new("sh").args(["-c", image]).env("DOCKER_HOST", daemon.address()).output().unwrap();
        assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
        daemon
    }

    fn spawn(folder: &Path) -> Child {
        // Should there be one of a test that was killed, it will do.
        let _ = ip(&["link", "add", BRIDGE, "type", "bridge"]);
        let _ = ip(&["address", "add", "172.31.78.1/24", "dev", BRIDGE]);
        assert!(ip(&["link", "set", BRIDGE, "up"]), "networks are made by root");
        let at = |name: &str| folder.join(name).display().to_string();
        // The pid files of one that was killed would keep the next from starting, where another process has that id by now.
        for stale in ["pid", "exec/containerd/containerd.pid"] {
            let _ = fs::remove_file(folder.join(stale));
        }
        let log = fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let mut dockerd = Command::new("dockerd");
        dockerd.args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")]);
        dockerd.args(["--host", &format!("unix://{}", at("socket")), "--bridge", BRIDGE]);
        // The machine's own engine has its rules there.
        dockerd.args(["--iptables=false", "--ip-forward=false", "--ip-masq=false"]);
        dockerd.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().expect("dockerd is installed")
    }

    fn address(&self) -> String {
        format!("unix://{}", self.folder.join("socket").display())
    }

    /// Asks it; `None` while it does not answer.
    fn docker(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new("docker").args(arguments).env("DOCKER_HOST", self.address()).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn wait(&self) {
        process::wait_for("the engine to answer", || self.docker(&["version"]));
    }

    /// Whether a statement sleeps on the one server that it runs.
    fn sleeps(&self) -> Option<()> {
        let containers = self.docker(&["ps", "-q"])?;
        let container = containers.lines().next()?;
        let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        let count = self.docker(&["exec", container, "psql", "-XqAtU", "postgres", "-c", asleep])?;
        (count.trim() != "0").then_some(())
    }

    fn signal(&self, signal: Signal) {
        process::signal(i32::try_from(self.process.id()).unwrap(), signal);
    }

    fn start_again(&mut self) {
        self.process.wait().unwrap();
        self.process = Self::spawn(&self.folder);
        self.wait();
    }
}

#[test]
#[ignore = "takes an engine of its own, root and a loop device: tests/faults.sh"]
fn a_container_on_a_disk_that_is_full() {
    let folder = tempfile::Builder::new().prefix("rehearsal-engine-").tempdir_in("/var/tmp").unwrap();
    // Room for the image and a small server.
    let disk = "truncate -s 1100M disk && mkfs.ext4 -qm0 disk && mkdir data && mount -o loop disk data";
    let mounted = Command::new("sh").args(["-c", disk]).current_dir(folder.path()).output().unwrap();
    assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
    let daemon = Daemon::start(folder.path());
    let fill = "CREATE TABLE filling AS SELECT i, repeat('x', 1000) FROM generate_series(1, 1000000) i;\n";
    let staging = fill.to_owned() + "CREATE TABLE orders (id bigint PRIMARY KEY, total numeric NOT NULL);\n";
    for (stage, sandbox) in [
        ("restore", Sandbox::shop().with("staging.sql", &staging)),
        ("migration", Sandbox::shop().with("migrations/002_fill.sql", fill)),
    ] {
        let sandbox = sandbox.in_container();
        let mut command = sandbox.command(&["run", "scenario.toml", "--out", "out"]);
        let told = ended(command.env("DOCKER_HOST", daemon.address())).expect(3);
        assert_eq!(told.stderr.matches("error: ").count(), 1, "{stage}: {}", told.stderr);
        let expected = "error: the disk of the scratch server is full: make room on the disk of the Docker engine";
        assert!(told.error().starts_with(expected), "{stage}: {}", told.stderr);
        assert_eq!(daemon.docker(&["ps", "-aq"]).as_deref(), Some(""), "{stage}");
        assert_eq!(daemon.docker(&["volume", "ls", "-q"]).as_deref(), Some(""), "{stage}");
        sandbox.assert_clean();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.signal(Signal::SIGTERM);
        let _ = self.process.wait();
        // An engine that was killed forgets some of what it had started.
        for left in process::naming(&self.folder) {
            process::signal(left, Signal::SIGKILL);
        }
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let folder = self.folder.display().to_string();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for point in points.filter(|point| point.starts_with(&folder)) {
            let _ = Command::new("umount").args(["--lazy", point]).status();
        }
        let _ = ip(&["link", "delete", BRIDGE]);
    }
}

fn ip(arguments: &[&str]) -> bool {
    let status = Command::new("ip").args(arguments).stderr(Stdio::null()).status();
    status.expect("iproute2 is installed").success()
}

#[test]
#[ignore = "takes two minutes, root and iproute2: tests/faults.sh"]
fn an_engine_of_our_own_that_is_stopped_and_killed_in_each_stage() {
    // Its file systems are best not in a temporary one, nor its socket in a path that is long.
    let folder = tempfile::Builder::new().prefix("rehearsal-engine-").tempdir_in("/var/tmp").unwrap();
    let mut daemon = Daemon::start(folder.path());
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        for (stage, sandbox) in crate::stages::stages() {
            let what = format!("{stage}, {signal}");
            let sandbox = sandbox.in_container();
            let mut run = sandbox.start_both_passes_with(&[("DOCKER_HOST", &daemon.address())]);
            run.until("a statement sleeps", |_| daemon.sleeps());
            daemon.signal(signal);
            assert_told(&what, &sandbox, &run.ended());
            assert_recorded(&what, &sandbox);
            daemon.start_again();
            let swept = ended(sandbox.command(&["sweep"]).env("DOCKER_HOST", daemon.address())).expect(0);
            assert!(swept.stdout.contains("removed container "), "{what}: {}", swept.stdout);
            assert_eq!(daemon.docker(&["ps", "-aq"]).as_deref(), Some(""), "{what}");
            assert_eq!(daemon.docker(&["volume", "ls", "-q"]).as_deref(), Some(""), "{what}");
        }
    }
    // While a container is made, at several moments.
    for wait in [20, 200, 500, 900] {
        let sandbox = slow();
        let run = sandbox.start_both_passes_with(&[("DOCKER_HOST", &daemon.address())]);
        thread::sleep(std::time::Duration::from_millis(wait));
        daemon.signal(Signal::SIGKILL);
        let ended_badly = run.ended();
        assert_eq!(ended_badly.code, Some(3), "{wait} ms: {}", ended_badly.stderr);
        assert_eq!(ended_badly.stderr.matches("error: ").count(), 1, "{wait} ms: {}", ended_badly.stderr);
        assert!(ended_badly.error().contains("Docker engine"), "{wait} ms: {}", ended_badly.stderr);
        sandbox.assert_clean();
        daemon.start_again();
        ended(sandbox.command(&["sweep"]).env("DOCKER_HOST", daemon.address())).expect(0);
        assert_eq!(daemon.docker(&["ps", "-aq"]).as_deref(), Some(""), "{wait} ms");
    }
}
