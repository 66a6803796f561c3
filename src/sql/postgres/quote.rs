//! Names of PostgreSQL as a statement has them: in quotes only where they would not be understood without, as `quote_ident` of
//! the server has it (manual, 9.4 "String Functions").

/// A name for use in SQL.
pub fn ident(name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    let begins = name.starts_with(|letter: char| letter.is_ascii_lowercase() || letter == '_');
    let is_plain = begins && name.chars().all(plain) && WORDS.binary_search(&name).is_err();
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Words that are no names without quotes everywhere, in order (PostgreSQL 18, `pg_get_keywords()`: all but those of the
/// category U; versions before it have fewer).
#[rustfmt::skip]
static WORDS: [&str; 164] = [
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "between", "bigint",
    "binary", "bit", "boolean", "both", "case", "cast", "char", "character", "check", "coalesce", "collate", "collation",
    "column", "concurrently", "constraint", "create", "cross", "current_catalog", "current_date", "current_role",
    "current_schema", "current_time", "current_timestamp", "current_user", "dec", "decimal", "default", "deferrable",
    "desc", "distinct", "do", "else", "end", "except", "exists", "extract", "false", "fetch", "float", "for", "foreign",
    "freeze", "from", "full", "grant", "greatest", "group", "grouping", "having", "ilike", "in", "initially", "inner",
    "inout", "int", "integer", "intersect", "interval", "into", "is", "isnull", "join", "json", "json_array",
    "json_arrayagg", "json_exists", "json_object", "json_objectagg", "json_query", "json_scalar", "json_serialize",
    "json_table", "json_value", "lateral", "leading", "least", "left", "like", "limit", "localtime", "localtimestamp",
    "merge_action", "national", "natural", "nchar", "none", "normalize", "not", "notnull", "null", "nullif", "numeric",
    "offset", "on", "only", "or", "order", "out", "outer", "overlaps", "overlay", "placing", "position", "precision",
    "primary", "real", "references", "returning", "right", "row", "select", "session_user", "setof", "similar", "smallint",
    "some", "substring", "symmetric", "system_user", "table", "tablesample", "then", "time", "timestamp", "to", "trailing",
    "treat", "trim", "true", "union", "unique", "user", "using", "values", "varchar", "variadic", "verbose", "when",
    "where", "window", "with", "xmlattributes", "xmlconcat", "xmlelement", "xmlexists", "xmlforest", "xmlnamespaces",
    "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "xmltable",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Engine, ProviderWish, ServerWish};
    use crate::server::session::Session;
    use crate::server::{Access, DATABASE, Server};

    #[test]
    fn a_name_is_quoted_where_it_must_be() {
        for (name, quoted) in [
            ("orders", "orders"),
            ("_2", "_2"),
            ("Orders", "\"Orders\""),
            ("order", "\"order\""),
            ("2nd", "\"2nd\""),
            ("a b", "\"a b\""),
            ("a\"b", "\"a\"\"b\""),
            ("größe", "\"größe\""),
            ("", "\"\""),
        ] {
            assert_eq!(ident(name), quoted);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whatever_the_server_quotes_is_quoted() {
        let wish = ServerWish { engine: Engine::Postgres, ..ServerWish::default() };
        let server = Server::start(&wish, Some(ProviderWish::Local), false).await.expect("a server starts");
        let Access::Postgres(config) = server.access(DATABASE) else { unreachable!("it is of this family") };
        let session = Session::open(&config).await.expect("it takes connections");
        let sql = "SELECT word, quote_ident(word) FROM pg_get_keywords() WHERE quote_ident(word) <> word";
        let quoted = session.client.query(sql, &[]).await.expect("the words");
        assert!(quoted.len() > 100, "{}", quoted.len());
        for row in quoted {
            let (word, quoted): (&str, &str) = (row.get(0), row.get(1));
            assert_eq!(ident(word), quoted);
        }
        drop(session);
        server.stop().await.expect("it stops");
    }
}
