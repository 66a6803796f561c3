//! History tables as migration tools leave them, and what is pending by each.

use std::fs;
use std::path::Path;

use rehearsal::migration::files::{self, MigrationFile};
use rehearsal::migration::history::baseline;
use rehearsal::server::Access;

/// What a tool leaves behind, and what of which files is pending then.
pub(crate) struct Case {
    /// As `Baseline::tool` has it.
    pub(crate) tool: &'static str,
    pub(crate) table: &'static str,
    pub(crate) sql: &'static str,
    files: &'static [&'static str],
    pending: &'static [&'static str],
    unfinished: &'static [&'static str],
}

pub(crate) const CASES: &[Case] = &[
    Case {
        tool: "Rails or dbmate",
        table: "schema_migrations",
        sql: "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY);
              INSERT INTO schema_migrations VALUES ('20240101000000'), ('20240103000000')",
        files: &["20240101000000_a.sql", "20240102000000_b.sql", "20240103000000_c.sql", "20240104000000_d.sql"],
        pending: &["20240102000000_b", "20240104000000_d"],
        unfinished: &[],
    },
    Case {
        tool: "golang-migrate",
        table: "schema_migrations",
        sql: "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL);
              INSERT INTO schema_migrations VALUES (2, false)",
        files: &["000001_a.up.sql", "000001_a.down.sql", "000002_b.up.sql", "000003_c.up.sql"],
        pending: &["000003_c"],
        unfinished: &[],
    },
    Case {
        tool: "golang-migrate",
        table: "schema_migrations",
        sql: "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL);
              INSERT INTO schema_migrations VALUES (2, true)",
        files: &["1_a.up.sql", "2_b.up.sql", "3_c.up.sql"],
        pending: &["3_c"],
        unfinished: &["2"],
    },
    Case {
        tool: "sqlx",
        table: "_sqlx_migrations",
        sql: "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, success boolean NOT NULL);
              INSERT INTO _sqlx_migrations VALUES (1, 'a', true), (2, 'b', false)",
        files: &["1_a.sql", "2_b.sql"],
        pending: &["2_b"],
        unfinished: &["2"],
    },
    Case {
        tool: "diesel",
        table: "__diesel_schema_migrations",
        sql: "CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY);
              INSERT INTO __diesel_schema_migrations VALUES ('20240101000000')",
        files: &["2024-01-01-000000_a/up.sql", "2024-01-02-000000_b/up.sql", "2024-01-02-000000_b/down.sql"],
        pending: &["2024-01-02-000000_b"],
        unfinished: &[],
    },
    Case {
        tool: "Prisma",
        table: "_prisma_migrations",
        sql: "CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY, migration_name varchar(255) NOT NULL,
                  started_at timestamp NOT NULL, finished_at timestamp NULL, rolled_back_at timestamp NULL);
              INSERT INTO _prisma_migrations VALUES
                  ('a', '20240101000000_a', '2024-01-01 00:00:00', '2024-01-01 00:00:01', NULL),
                  ('b', '20240102000000_b', '2024-01-02 00:00:00', NULL, '2024-01-02 00:01:00'),
                  ('c', '20240102000000_b', '2024-01-02 00:02:00', '2024-01-02 00:03:00', NULL),
                  ('d', '20240103000000_c', '2024-01-03 00:00:00', NULL, NULL)",
        files: &["20240101000000_a/migration.sql", "20240102000000_b/migration.sql", "20240103000000_c/migration.sql"],
        pending: &["20240103000000_c"],
        unfinished: &["20240103000000_c"],
    },
    Case {
        tool: "Flyway",
        table: "flyway_schema_history",
        sql: "CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version varchar(50), type varchar(20) NOT NULL,
                  success boolean NOT NULL);
              INSERT INTO flyway_schema_history VALUES (1, '2', 'BASELINE', true), (2, '2.1', 'SQL', true),
                  (3, NULL, 'SQL', true), (4, '3', 'SQL', true), (5, '3', 'UNDO_SQL', true)",
        files: &["V1__a.sql", "V2__b.sql", "V2_1__c.sql", "V3__d.sql", "R__views.sql"],
        pending: &["V3__d", "R__views"],
        unfinished: &[],
    },
    Case {
        tool: "goose",
        table: "goose_db_version",
        sql: "CREATE TABLE goose_db_version (id int PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL);
              INSERT INTO goose_db_version VALUES (1, 0, true), (2, 1, true), (3, 2, true), (4, 2, false)",
        files: &["00001_a.sql", "00002_b.sql"],
        pending: &["00002_b"],
        unfinished: &[],
    },
    Case {
        tool: "sql-migrate",
        table: "gorp_migrations",
        sql: "CREATE TABLE gorp_migrations (id varchar(255) PRIMARY KEY, applied_at timestamp NULL);
              INSERT INTO gorp_migrations VALUES ('1_a.sql', NULL)",
        files: &["1_a.sql", "2_b.sql"],
        pending: &["2_b"],
        unfinished: &[],
    },
    Case {
        tool: "refinery",
        table: "refinery_schema_history",
        sql: "CREATE TABLE refinery_schema_history (version int PRIMARY KEY, name varchar(255));
              INSERT INTO refinery_schema_history VALUES (1, 'a')",
        files: &["V1__a.sql", "V2__b.sql"],
        pending: &["V2__b"],
        unfinished: &[],
    },
];

impl Case {
    fn files(&self, folder: &Path) -> Vec<MigrationFile> {
        for file in self.files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().expect("it has one")).expect("folders");
            fs::write(path, "SELECT 1;").expect("a file");
        }
        files::pending(folder, None).expect("the files are in order")
    }

    /// Reads the history in a database where [`Case::sql`] ran.
    pub(crate) async fn check(&self, access: &Access) {
        let folder = tempfile::tempdir().expect("a folder");
        let files = self.files(folder.path());
        let all: Vec<&MigrationFile> = files.iter().collect();
        let (telling, other) = baseline::read(access, &all).await.expect("the history is read");
        let telling = telling.unwrap_or_else(|| panic!("{} ({}) is not found, but {other:?}", self.table, self.tool));
        let pending: Vec<&str> = all.iter().filter(|file| !telling.has(file)).map(|file| file.name.as_str()).collect();
        let unfinished: Vec<&str> = telling.unfinished.iter().map(String::as_str).collect();
        assert_eq!(
            (telling.tool, pending.as_slice(), unfinished.as_slice()),
            (self.tool, self.pending, self.unfinished)
        );
        assert!(telling.table.ends_with(self.table), "{}", telling.table);
    }
}
