//! What a query file may hold, and what is said when it holds something else.

use pretty_assertions::assert_eq;

use super::*;
use crate::query::Value;

fn loaded(text: &str) -> Result<Vec<Query>, Vec<String>> {
    read_as(Engine::Postgres, text)
}

fn read_as(engine: Engine, text: &str) -> Result<Vec<Query>, Vec<String>> {
    let mut loader =
        Loader { engine, set: QuerySet::Old, names: HashMap::new(), queries: Vec::new(), problems: Vec::new() };
    loader.file("q.sql", text);
    if loader.problems.is_empty() {
        Ok(loader.queries)
    } else {
        Err(loader.problems.iter().map(ToString::to_string).collect())
    }
}

fn one(text: &str) -> Query {
    let mut queries = loaded(text).expect("the file is right");
    assert_eq!(queries.len(), 1);
    queries.remove(0)
}

#[test]
fn a_query_has_a_name_a_statement_and_values() {
    let query = one("-- Orders of a customer.\n\n-- name: list_orders :many\n-- Newest first.\n-- param c = 42\n\
                     -- param s = NULL\nSELECT id -- :no\n  FROM orders\n WHERE customer = :c AND status = :s;\n-- end\n");
    assert_eq!(
        query,
        Query {
            set: QuerySet::Old,
            name: "list_orders".to_owned(),
            file: "q.sql".to_owned(),
            line: 3,
            sql: "SELECT id -- :no\n  FROM orders\n WHERE customer = $1 AND status = $2".to_owned(),
            params: vec![Value::Plain("42".to_owned()), Value::Null],
            any_rows: false,
            order: Vec::new(),
        }
    );
}

#[test]
fn names_of_other_tools_are_understood() {
    for (line, name) in [
        ("-- name: a", "a"),
        ("--name:a", "a"),
        ("-- name: a-b.c_1 :exec", "a-b.c_1"),
        ("-- name: a^", "a"),
        ("-- name: a<!", "a"),
        ("-- name: größe\r", "größe"),
    ] {
        assert_eq!(one(&format!("{line}\nSELECT 1")).name, name);
    }
}

#[test]
fn numbered_parameters_are_left_as_they_are() {
    let query = one("-- name: a\n-- param 2 = y\n-- param 1 = x\nSELECT $2, $1");
    assert_eq!(
        (query.sql.as_str(), query.params),
        ("SELECT $2, $1", vec![Value::Plain("x".into()), Value::Plain("y".into())])
    );
}

#[test]
fn a_limit_without_an_order_may_return_any_rows() {
    for (sql, any) in [
        ("SELECT * FROM t LIMIT 5", true),
        ("SELECT * FROM t FETCH FIRST 5 ROWS ONLY", true),
        ("SELECT * FROM t ORDER BY id LIMIT 5", false),
        ("SELECT 'LIMIT' FROM t", false),
    ] {
        assert_eq!(one(&format!("-- name: a\n{sql}")).any_rows, any, "{sql}");
    }
}

#[test]
fn every_fault_is_reported_with_its_line_and_a_way_out() {
    for (text, expected) in [
        ("-- nothing\n", "q.sql:1: the file has no query: begin each with a line `-- name: SOME_NAME`"),
        ("\nSELECT 1;\n", "q.sql:2: this statement has no name: write a line `-- name: SOME_NAME` above it"),
        (
            "-- name: a\nSELECT 1;\n-- name: the end\nSELECT 1;\n",
            "q.sql:3: `-- name: the end` is not a name of a query: write `-- name: list_orders`, with letters, digits, `_`, `-` and \
             `.` (`:many` and the like may follow)",
        ),
        (
            "-- name: a\nSELECT 1;\n\nSELECT 2;",
            "q.sql:4: the query `a` goes on after its `;`: a query is one statement, so put a line `-- name: …` above the next",
        ),
        (
            "-- name: a\n-- only words\n;\n",
            "q.sql:1: the query `a` is empty: write its statement below the line with its name, or remove that line",
        ),
        (
            "-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;",
            "q.sql:3: the name `a` is taken by the query at q.sql:1: give this one another",
        ),
        (
            "-- name: a\nSELECT :x",
            "q.sql:1: `:x` of the query `a` has no example value: write `-- param x = VALUE` below its name",
        ),
        (
            "-- name: a\nSELECT $1",
            "q.sql:1: `$1` of the query `a` has no example value: write `-- param 1 = VALUE` below its name",
        ),
        (
            "-- name: a\n-- param x = 1\nSELECT 1",
            "q.sql:2: the query `a` has no parameter `:x`: remove this line, or use the parameter",
        ),
        (
            "-- name: a\n-- param x = 1\n-- param x = 2\nSELECT :x",
            "q.sql:3: `:x` has a value already: remove one of the two `-- param` lines",
        ),
        (
            "-- name: a\n-- param x\nSELECT 1",
            "q.sql:2: cannot read `-- param x`: write `-- param NAME = VALUE` (`''` for an empty text, NULL for no value)",
        ),
        ("-- name: a\n\nSELECT 'x", "q.sql:3: a string begins here and is not closed"),
        (
            "-- name: a\ncommit",
            "q.sql:1: the query `a` is COMMIT: each query is run in a transaction of its own that is rolled back, so leave transactions out",
        ),
    ] {
        assert_eq!(loaded(text), Err(vec![expected.to_owned()]), "{text}");
    }
}

#[test]
fn a_bad_name_is_told_from_a_comment() {
    for text in ["-- name:\nSELECT 1", "-- name: a b\nSELECT 1", "-- name: get(a)\nSELECT 1", "-- name: 1a\nSELECT 1"] {
        let problems = loaded(text).expect_err(text);
        assert!(problems[0].starts_with("q.sql:1: `-- name:"), "{problems:?}");
    }
    assert_eq!(one("-- name of the thing\n-- name: a\nSELECT 1").name, "a");
}

#[test]
fn all_faults_of_all_files_come_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path
    };
    let files = [
        write("a.sql", b"-- name: x\nSELECT :p, :q"),
        write("b.sql", b"-- name: x\nSELECT 1"),
        write("c.sql", b"-- name: y\xff"),
        write("d.sql", b"-- name: x\nSELECT 2"),
        folder.path().join("absent.sql"),
    ];
    let error = load(Engine::Postgres, &files, folder.path(), QuerySet::New).expect_err("nearly all is wrong");
    let places: Vec<_> = error.problems.iter().map(|p| format!("{}:{}", p.file, p.line)).collect();
    assert_eq!(places, ["a.sql:1", "a.sql:1", "b.sql:1", "c.sql:1", "d.sql:1", "absent.sql:1"]);
    assert_eq!(error.to_string().lines().count(), 6);
}

#[test]
fn files_are_named_relative_to_the_scenario() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("queries")).expect("made");
    let path = folder.path().join("queries/old.sql");
    fs::write(&path, "\u{feff}-- name: x\r\nSELECT 1;\r\n").expect("written");
    let queries = load(Engine::Postgres, &[path], folder.path(), QuerySet::Old).expect("the file is right");
    assert_eq!((queries[0].file.as_str(), queries[0].sql.as_str()), ("queries/old.sql", "SELECT 1"));
}

#[test]
fn a_file_for_mysql_is_read_by_its_rules() {
    let queries = read_as(
        Engine::Mysql,
        "-- name: a\n# a; comment\n-- param id = 7\n-- param s = '7'\nSELECT `a;b`, 'it\\'s', 5--1 FROM t \
         WHERE id = :id OR s = :s OR n = :id;\n-- name: b\n-- param 1 = x\nSELECT ?",
    )
    .expect("the file is right");
    assert_eq!(queries[0].sql, "SELECT `a;b`, 'it\\'s', 5--1 FROM t WHERE id = ? OR s = ? OR n = ?");
    let id = Value::Plain("7".to_owned());
    assert_eq!(queries[0].params, [id.clone(), Value::Quoted("7".to_owned()), id]);
    assert_eq!((queries[1].sql.as_str(), &queries[1].params[..]), ("SELECT ?", &[Value::Plain("x".to_owned())][..]));
}

#[test]
fn faults_of_a_file_for_mysql_say_what_to_write_there() {
    for (text, expected) in [
        (
            "-- name: a\nSELECT ?",
            "q.sql:1: `?1` of the query `a` has no example value: write `-- param 1 = VALUE` below its name",
        ),
        (
            "-- name: a\nSELECT $1",
            "q.sql:1: the query `a` has `$1`, which is PostgreSQL's: write `:name`, or `?` with `-- param 1 = VALUE`",
        ),
        (
            "\n-- name: a\nALTER TABLE t ADD c int",
            "q.sql:2: the query `a` is ALTER: the server commits before it runs, so it cannot be undone; queries must leave the data as it is",
        ),
        (
            "-- name: a\n/*!50000 DROP TABLE t */",
            "q.sql:1: the query `a` begins with a comment that only some servers read as code: write the statement without `/*!` and `*/`",
        ),
    ] {
        assert_eq!(read_as(Engine::Mariadb, text), Err(vec![expected.to_owned()]), "{text}");
    }
}
