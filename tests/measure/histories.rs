//! What migration tools wrote down about themselves says what is pending.

use rehearsal::server::DATABASE;
use rehearsal::server::session::Session;

use crate::history_cases::CASES;
use crate::rig::{VERSIONS, server, test};

#[test]
fn every_tools_history_says_what_is_pending() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let session = Session::open(&server.config(DATABASE)).await.expect("a session");
        let run = async |sql: &str| session.client.batch_execute(sql).await.expect("the history is made");
        // In a schema that is not in the search path.
        run("CREATE SCHEMA \"Mine\"; SET search_path = \"Mine\"").await;
        for case in CASES {
            run(case.sql).await;
            case.check(&server.access(DATABASE)).await;
            run(&format!("DROP TABLE {}", case.table)).await;
        }
        drop(session);
        server.stop().await.expect("the server stops");
    });
}
