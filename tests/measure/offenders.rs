//! The query that a failed migration's finding gives is run: it finds the rows that the migration failed on, and none once they are
//! mended.

use crate::advice::Lab;
use crate::rig::{VERSIONS, server, test};

/// What fails on the rows of the lab's schema, with how they are mended.
const CASES: [(&str, &str); 8] = [
    ("CREATE UNIQUE INDEX ON orders (status)", "UPDATE orders SET status = id"),
    (
        "CREATE UNIQUE INDEX ON orders (status, total) WHERE total > 80 OR note = 'n1'",
        "UPDATE orders SET status = id WHERE total > 80",
    ),
    ("ALTER TABLE orders ADD UNIQUE (lonely)", "UPDATE orders SET lonely = NULL"),
    (
        "ALTER TABLE orders ADD PRIMARY KEY (status), DROP CONSTRAINT orders_pkey CASCADE",
        "UPDATE orders SET status = id",
    ),
    ("ALTER TABLE orders ALTER lonely SET NOT NULL", "UPDATE orders SET lonely = 1"),
    ("ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0 AND note <> ')') NO INHERIT", "UPDATE orders SET total = 1"),
    (
        "ALTER TABLE orders ADD note2 text, ADD FOREIGN KEY (number, total) REFERENCES pairs (a, \"B\") MATCH SIMPLE",
        "UPDATE orders SET number = NULL",
    ),
    (
        "ALTER TABLE \"Odd Shop\".\"Order \"\"Lines\"\"\" ADD CHECK (\"It's\" <> 'x')",
        "UPDATE \"Odd Shop\".\"Order \"\"Lines\"\"\" SET \"It's\" = 'y'",
    ),
];

const MORE: &str = "ALTER TABLE orders ADD lonely int;
    UPDATE orders SET lonely = 5 WHERE id IN (7, 8);
    ALTER TABLE orders ALTER status TYPE text;
    CREATE TABLE pairs (a int, \"B\" int, PRIMARY KEY (a, \"B\"));
    INSERT INTO pairs SELECT number, total FROM orders WHERE id % 100 > 0;";

#[test]
fn the_query_that_is_given_finds_the_rows_that_it_failed_on() {
    test(async {
        let (version, provider) = VERSIONS[0];
        let server = server(version, provider).await;
        let lab = Lab::new(&server).await;
        for (sql, mend) in CASES {
            let rig = lab.rig().await;
            let session = rig.beside().await;
            session.client.batch_execute(MORE).await.expect("more of the schema");
            rig.observer.begin_migration().await.expect("it begins");
            let tool = rig.tapped().await;
            tool.client.simple_query(sql).await.expect_err(sql);
            let run = lab.judged(&[rig.end().await]);
            let help = &run.findings.iter().find(|found| found.code == "fails-on-data").expect(sql).help;
            let query = help.strip_prefix('`').and_then(|help| help.split_once("` finds the rows")).expect(help).0;
            let count = async || {
                let rows = session.client.query(query, &[]).await.expect(query);
                rows.iter().map(|row| row.get::<_, i64>(row.len() - 1)).sum::<i64>()
            };
            assert!(count().await > 0, "{sql}: {query}");
            session.client.batch_execute(mend).await.expect(mend);
            assert_eq!(count().await, 0, "{sql}: {query}");
            tool.client.simple_query(sql).await.expect(sql);
        }
        server.stop().await.expect("the server stops");
    });
}
