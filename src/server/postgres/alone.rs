//! Nobody is connected any more: what a server wants before it is told to stop.

use std::time::{Duration, Instant};

use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use crate::server::ServerError;

/// How long sessions that were closed on this side may take to end on the server's.
const LIMIT: Duration = Duration::from_secs(10);

/// Everybody but the one who asks.
const OTHERS: &str =
    "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1";

/// Waits until the sessions of others have ended, and ends its own by the protocol's farewell.
///
/// A backend that has just found its client gone obeys SIGTERM from within the signal handler, whatever it was doing
/// (`die`, `tcop/postgres.c`, `whereToSendOutput != DestRemote`); in the middle of a function of the C library that holds a
/// lock it then waits for itself forever, and a shutdown waits for it: seen on PostgreSQL 15.20, in one of some 300
/// shutdowns that came right behind a closed connection. Sessions that stay beyond 10 s are left to the shutdown.
pub(in crate::server) async fn wait_until_alone(config: &Config) -> Result<(), ServerError> {
    let (client, connection) = config.connect(NoTls).await?;
    let connection = tokio::spawn(connection);
    let began = Instant::now();
    loop {
        // As a simple query: a prepared statement would have an answer outstanding when its client is gone.
        let answer = client.simple_query(OTHERS).await?;
        if !answer.iter().any(|message| matches!(message, SimpleQueryMessage::Row(_))) || began.elapsed() > LIMIT {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    drop(client);
    // Which ends once the farewell is sent; if it could not be sent there is nobody to wait for.
    let _ = connection.await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Engine, ProviderWish, ServerWish};
    use crate::server::{Access, DATABASE, Server, Session};

    #[tokio::test(flavor = "multi_thread")]
    async fn it_waits_for_whoever_is_still_there() {
        let wish = ServerWish { engine: Engine::Postgres, ..ServerWish::default() };
        let server = Server::start(&wish, Some(ProviderWish::Local), false).await.expect("a server starts");
        let Access::Postgres(config) = server.access(DATABASE) else { unreachable!("it is of this family") };
        let session = Session::open(&config).await.expect("it takes connections");
        let stays = tokio::spawn(async move {
            let slept = session.client.batch_execute("SELECT pg_sleep(0.3)").await;
            slept.map(|()| Instant::now())
        });
        tokio::time::timeout(Duration::from_millis(200), async {
            let watch = Session::open(&config).await.expect("it takes connections");
            while watch.client.query(OTHERS, &[]).await.expect("an answer").is_empty() {}
        })
        .await
        .expect("the other session is seen");
        wait_until_alone(&config).await.expect("they end");
        let alone = Instant::now();
        let left = stays.await.expect("it does not panic").expect("it slept");
        assert!(left < alone, "the other had its answer before");
        server.stop().await.expect("it stops");
    }
}
