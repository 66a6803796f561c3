//! What migration tools wrote down about themselves says what is pending, on this engine as well.

use crate::history_cases::CASES;
use crate::lab::{Place, with_server};

#[test]
fn every_tools_history_says_what_is_pending() {
    with_server(Place::Local, async |lab| {
        let database = lab.database().await;
        for case in CASES {
            for statement in case.sql.split(';') {
                database.run(statement).await;
            }
            case.check(&database.access()).await;
            database.run(&format!("DROP TABLE {}", case.table)).await;
        }
    });
}
