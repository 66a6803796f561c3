//! Names that need quotes go through everything: restored, grown, migrated, asked and reported.

use super::{BOTH, shop};

#[test]
fn quotes_spaces_and_words_of_the_language_in_names_come_out_as_they_are() {
    // Beyond the basic plane no name is taken by either engine: ✈ is as near to emoji as a name gets.
    let lines = "`Order \"lines\" of ``Ann's`` ✈`";
    let longest = format!("`{}`", "ü".repeat(64));
    let staging = format!(
        "CREATE TABLE {lines} (`the id` int PRIMARY KEY AUTO_INCREMENT, `naïve 'x'` varchar(9), `100%` int);\n\
         INSERT INTO {lines} (`naïve 'x'`) VALUES ('x'), ('🚚'), (NULL);\n\
         CREATE TABLE `select` (`key` int PRIMARY KEY AUTO_INCREMENT, `order` int,\n\
             CONSTRAINT `a b` FOREIGN KEY (`order`) REFERENCES {lines} (`the id`));\n\
         INSERT INTO `select` (`order`) VALUES (1), (2);\n\
         CREATE TABLE {longest} ({longest} int PRIMARY KEY AUTO_INCREMENT);\n\
         INSERT INTO {longest} VALUES (1), (2);\n"
    );
    let migration = format!(
        "ALTER TABLE {longest} MODIFY {longest} bigint AUTO_INCREMENT;\n\
         ALTER TABLE {lines} DROP COLUMN `naïve 'x'`;\n\
         ALTER TABLE `select` ADD INDEX `in``dex` (`order`, `key`);\n"
    );
    for place in BOTH {
        let table = |name: &str| format!("[[snapshot.table]]\nname = '''{name}'''\nrows = 500\n");
        let grown = [lines, "`select`", &longest].map(table).concat();
        let sandbox = shop(place)
            .replacing("scenario.toml", "[migrations]\n", &format!("{grown}[migrations]\n"))
            .with("staging.sql", &staging)
            .with("migrations/001_add_status.sql", &migration)
            .with(
                "queries/old.sql",
                &format!("-- name: naive\nSELECT `naïve 'x'` FROM {lines} WHERE `100%` IS NULL;\n"),
            )
            .with(
                "queries/new.sql",
                &format!("-- name: ids\nSELECT `the id` FROM {lines} JOIN `select` ON `order` = `the id`;\n"),
            );
        let ended = sandbox.rehearse().expect(1);
        assert!(ended.stdout.contains("error[old-query-breaks] queries/old.sql:1"), "{}", ended.stdout);
        let record = sandbox.record();
        assert_eq!(record["migrations"][0]["status"], "applied", "{}", ended.stdout);
        let mut tables: Vec<_> = record["snapshot"]["tables"]
            .as_array()
            .expect("three")
            .iter()
            .map(|table| (table["name"].as_str().unwrap_or_default(), table["rows"].as_u64()))
            .collect();
        tables.sort_unstable();
        let longest_name = longest.trim_matches('`');
        assert_eq!(tables, [(lines, Some(500)), ("`select`", Some(500)), (longest_name, Some(500))]);
        assert_eq!(record["migrations"][0]["removed"][0]["column"], "naïve 'x'");
        let copied = &record["migrations"][0]["statements"][0];
        assert_eq!(copied["algorithm"], "copy");
        assert_eq!(copied["rewrites"][0]["relation"], longest_name);
        sandbox.assert_clean();
    }
}
