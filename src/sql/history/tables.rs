//! Tables in which migration tools keep their history.
//!
//! Seen on the wire: Alembic 1.20, Django 5.2, ActiveRecord 6.1, dbmate 2.37, sqitch 1.3, sqlx 0.9, diesel 2.3, refinery 0.10,
//! sql-migrate 1.2, Liquibase 4.28, Prisma 6.19, Knex 3.3, node-pg-migrate 9.0, Sequelize 6.37, TypeORM 1.1, Drizzle 0.45, yoyo 9.0.
//! From their source code: golang-migrate 4.20, goose 3.29, Flyway 13, Kysely 0.29, MikroORM 7, Laravel 12.

/// A table of a tool's history.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The columns that together are a version, and what stands between them in the tool's own name for it.
    pub(super) version: &'static [&'static str],
    pub(super) between: &'static str,
    /// Whether a version is written down before it is applied, and not after.
    pub(super) ahead: bool,
    /// For a name that others use, too: columns of which a statement that is the tool's names one.
    pub(super) only_with: &'static [&'static str],
}

/// The schema of sqitch's tables, which stands before each of them.
pub(super) const SQITCH: &str = "sqitch";

const fn table(name: &'static str, version: &'static [&'static str]) -> Table {
    Table { name, version, between: ".", ahead: false, only_with: &[] }
}

static TABLES: [Table; 33] = [
    table("alembic_version", &["version_num"]),
    table("django_migrations", &["app", "name"]),
    // Of Rails, dbmate, golang-migrate and Ecto.
    table("schema_migrations", &["version"]),
    table("ar_internal_metadata", &[]),
    table("_sqlx_migrations", &["version"]),
    table("__diesel_schema_migrations", &["version"]),
    Table { ahead: true, ..table("_prisma_migrations", &["migration_name"]) },
    table("flyway_schema_history", &["version"]),
    // As Liquibase itself writes them: an id is one's own only with its file and author.
    Table { between: "::", ..table("databasechangelog", &["filename", "id", "author"]) },
    table("databasechangeloglock", &[]),
    table("goose_db_version", &["version_id"]),
    table("gorp_migrations", &["id"]),
    table("refinery_schema_history", &["version"]),
    table("knex_migrations", &["name"]),
    table("knex_migrations_lock", &[]),
    table("pgmigrations", &["name"]),
    table("SequelizeMeta", &["name"]),
    // The same as MySQL's names are read.
    table("sequelizemeta", &["name"]),
    table("__drizzle_migrations", &["created_at"]),
    // The schema of that.
    table("drizzle", &[]),
    table("_yoyo_migration", &["migration_id"]),
    table("_yoyo_log", &["migration_id"]),
    table("_yoyo_version", &[]),
    table("yoyo_lock", &[]),
    table("kysely_migration", &["name"]),
    table("kysely_migration_lock", &[]),
    table("mikro_orm_migrations", &["name"]),
    // Of TypeORM; and of Laravel.
    Table { only_with: &["timestamp"], ..table("migrations", &["name"]) },
    Table { only_with: &["batch"], ..table("migrations", &["migration"]) },
    table(SQITCH, &["change"]),
    // Which sqitch has in the search path.
    Table { only_with: &["script_hash"], ..table("changes", &["change"]) },
    table("yoyo_tmp", &[]),
    table("doctrine_migration_versions", &["version"]),
];

/// The table at this place in a statement, if it is a tool's: by its name, and by the columns that the statement names.
pub(super) fn known(name: &str, after: Option<&str>, has: impl Fn(&str) -> bool) -> Option<&'static Table> {
    // yoyo makes tables up to see whether the server can undo that.
    let name = if name.starts_with("yoyo_tmp_") { "yoyo_tmp" } else { name };
    TABLES.iter().find(|table| {
        // TypeORM gives its table its own name for an alias.
        let is_ours = || table.only_with.iter().any(|column| has(column)) || after == Some(name);
        table.name == name && (table.only_with.is_empty() || is_ours())
    })
}
