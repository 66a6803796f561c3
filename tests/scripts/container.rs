//! A server of MySQL or MariaDB in a container of its own.

use std::process::Command;
use std::time::{Duration, Instant};

use mysql_async::Conn;
use rehearsal::scenario::Engine;
use rehearsal::server::{Access, DATABASE, Endpoint};

/// The password of its superuser.
pub(crate) const PASSWORD: &str = "pw";

/// The servers on which the claims are checked.
pub(crate) const MYSQL: (Engine, &str) = (Engine::Mysql, "mysql:9.7");
pub(crate) const MARIADB: (Engine, &str) = (Engine::Mariadb, "mariadb:11.8");

/// A server, removed at the end.
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) access: Access,
}

impl Container {
    /// Starts one for the tests of `topic`, and waits until it answers.
    pub(crate) async fn start((engine, image): (Engine, &str), topic: &str) -> Self {
        let prefix = format!("{engine:?}").to_uppercase();
        let name = format!("rehearsal-{topic}-{}-{}", std::process::id(), prefix.to_lowercase());
        let password = format!("{prefix}_ROOT_PASSWORD={PASSWORD}");
        let database = format!("{prefix}_DATABASE={DATABASE}");
        let run = ["run", "-d", "--name", &name, "-e", &password, "-e", &database, "-p", "127.0.0.1::3306", image];
        // What the client sends of a file has to be allowed by the server, too.
        docker(&[&run[..], &["--local-infile=1", "--general-log=0"]].concat());
        let port = docker(&["port", &name, "3306"]);
        let port = port.trim().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let endpoint = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port };
        let container = Self { name, access: Access::new(engine, &endpoint, Some(PASSWORD), DATABASE) };
        container.connect().await.disconnect().await.expect("it ends");
        container
    }

    /// Connects, once the server is there.
    pub(crate) async fn connect(&self) -> Conn {
        let Access::Mysql(options) = &self.access else { unreachable!("no other engine is started here") };
        let begun = Instant::now();
        loop {
            match Conn::new(options.clone()).await {
                Ok(connection) => return connection,
                Err(error) => assert!(begun.elapsed() < Duration::from_secs(120), "no server: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        docker(&["rm", "-fv", &self.name]);
    }
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("docker is installed");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
