//! A Docker engine that is reached by TCP, as one on another machine is.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;

use crate::docker;
use crate::sandbox::{Sandbox, ended};

/// The engine of this machine on a TCP port; its address, as `DOCKER_HOST` has it.
fn engine_on_tcp() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let engine = UnixStream::connect("/var/run/docker.sock").expect("the engine listens there");
            forward(&client, &engine).expect("both have a second handle");
        }
    });
    address
}

/// Copies both ways, and hands on that a side has no more to say: the engine waits for that after a dump.
fn forward(client: &TcpStream, engine: &UnixStream) -> io::Result<()> {
    let (mut from_client, mut to_engine) = (client.try_clone()?, engine.try_clone()?);
    let (mut from_engine, mut to_client) = (engine.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_engine);
        let _ = to_engine.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        let _ = io::copy(&mut from_engine, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Write);
    });
    Ok(())
}

#[test]
fn an_engine_on_a_tcp_socket_is_used_and_left_as_it_was() {
    let sandbox = Sandbox::shop().in_container();
    let dump = "docker run --rm -i --entrypoint sh postgres:17 -c 'initdb -U postgres /tmp/d >/dev/null && \
                pg_ctl -D /tmp/d -o \"-k /tmp\" -w start >/dev/null && psql -qXh /tmp -U postgres && \
                pg_dump -Fc -h /tmp -U postgres'";
    let dump = dump.replacen("docker run", "docker run --user postgres", 1) + " <staging.sql >staging.dump";
    let made = Command::new("sh").args(["-c", &dump]).current_dir(sandbox.path("")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let sandbox = sandbox.replacing("scenario.toml", "staging.sql", "staging.dump");
    let engine = engine_on_tcp();
    let mut command = sandbox.command(&["run", "scenario.toml", "--out", "out"]);
    command.env("DOCKER_HOST", &engine).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    let record = sandbox.record();
    assert_eq!((&record["server"]["provider"], &record["verdict"]["status"]), (&"container".into(), &"pass".into()));
    assert!(docker::containers_of(pid).is_empty());
    let doctor = ended(sandbox.command(&["doctor"]).env("DOCKER_HOST", engine)).expect(0);
    assert!(doctor.stdout.contains("container: usable"), "{}", doctor.stdout);
    sandbox.assert_clean();
}
