//! Names of MySQL and MariaDB: how they are quoted in SQL, and how relations are called on record.

use super::reserved::is_reserved;

/// A name for use in SQL: always in backticks (MySQL 9.7 manual, 11.2 "Schema Object Names").
pub fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table as the record and the reports call it: without its database where that is `home`, the one that is rehearsed on,
/// and in backticks only where it would not be understood without.
pub fn relation(home: &str, database: &str, table: &str) -> String {
    if database == home { plain(table) } else { format!("{}.{}", plain(database), plain(table)) }
}

/// A name as a person would write it.
fn plain(name: &str) -> String {
    let letters = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '$' || !letter.is_ascii();
    let is_plain = !name.is_empty() && name.chars().all(letters) && !name.chars().all(|letter| letter.is_ascii_digit());
    if is_plain && !is_reserved(name) { name.to_owned() } else { quote(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "rehearsal";

    #[test]
    fn a_relation_is_named_as_one_would_write_it() {
        for (database, table, shown) in [
            (HOME, "orders", "orders"),
            (HOME, "Order Lines", "`Order Lines`"),
            (HOME, "a`b", "`a``b`"),
            (HOME, "42", "`42`"),
            (HOME, "größe", "größe"),
            (HOME, "order", "`order`"),
            ("shop", "orders", "shop.orders"),
            ("my shop", "orders", "`my shop`.orders"),
        ] {
            assert_eq!(relation(HOME, database, table), shown);
        }
    }
}
