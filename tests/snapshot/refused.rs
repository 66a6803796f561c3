//! Dumps that cannot or must not be restored, and what is made of those that are slightly off.

use std::fmt::Write as _;

use pretty_assertions::assert_eq;

use crate::lab::{Lab, Place, with_server};

/// Restores each text into a database of its own and looks for words in the error.
fn refused(cases: &[(&str, &[u8], &[&str])]) {
    with_server(Place::Local, async |lab: &Lab| {
        for (name, content, words) in cases {
            let database = lab.database().await;
            let file = lab.file(name, content);
            let error = lab.prepare(&database, std::slice::from_ref(&file), vec![], 1).await.expect_err(name);
            let text = error.to_string();
            for word in words.iter().copied().chain([&*file.to_string_lossy()]) {
                assert!(text.contains(word), "{name}: {word:?} is not in {text:?}");
            }
        }
    });
}

#[test]
fn a_dump_that_was_cut_short_is_found_out() {
    refused(&[
        ("data.sql", b"CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n2\n", &["line 2", "cut short"]),
        ("quote.sql", b"CREATE TABLE t (a text);\nINSERT INTO t\nVALUES ('abc\n", &["line 3", "cut short"]),
        ("dollars.sql", b"SELECT 1;\nDO $x$ BEGIN\n", &["line 2", "cut short"]),
        ("statement.sql", b"CREATE TABLE t (a int);\nCREATE TABLE u (a\n", &["line 2"]),
        ("comment.sql", b"/* never\nclosed", &["line 1", "cut short"]),
    ]);
}

#[test]
fn a_file_that_is_no_dump_is_refused_by_name() {
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    refused(&[
        ("nothing.sql", b"", &["empty"]),
        ("dump.sql", b"\x1f\x8b\x08\0\0\0\0\0", &["compressed", "end in the middle"]),
        ("dump", &tar, &["tar", "--format=tar", "unpack"]),
        ("zstd.dump", b"\x28\xb5\x2f\xfd\0", &["compressed", "end in the middle"]),
        ("bzip2.dump", b"BZh91AY", &["bzip2", "unpack"]),
    ]);
    with_server(Place::Local, async |lab: &Lab| {
        let database = lab.database().await;
        let missing = lab.place("missing.sql");
        let error = lab.prepare(&database, &[missing], vec![], 1).await.expect_err("there is no such file");
        assert!(error.to_string().contains("missing.sql") && error.is_the_scenarios(), "{error}");
    });
}

#[test]
fn nothing_in_a_dump_reaches_a_shell_or_another_file() {
    with_server(Place::Local, async |lab: &Lab| {
        let canary = lab.place("canary");
        // A server that runs as another user could not write into our folder.
        let from_server = std::env::temp_dir().join(Lab::name("rehearsal_canary"));
        let other = lab.file("other.sql", format!("CREATE TABLE other ();\n\\! touch {}\n", canary.display()));
        let (canary_at, other_at, server_at) = (canary.display(), other.display(), from_server.display());
        for (name, line) in [
            ("shell", format!("\\! touch {canary_at}")),
            ("backticks", format!("\\set x `touch {canary_at}`")),
            ("echo", format!("\\echo `touch {canary_at}`")),
            ("connect", format!("\\connect `touch {canary_at}`")),
            ("second", format!("\\set x 1 \\! touch {canary_at}")),
            ("copy", format!("\\copy t FROM PROGRAM 'touch {canary_at}'")),
            ("copy out", format!("\\copy t TO {canary_at}")),
            ("include", format!("\\i {other_at}")),
            ("include relative", "\\ir other.sql".to_owned()),
            ("output", format!("\\o {canary_at}")),
            ("pipe", format!("\\o | touch {canary_at}")),
            ("gexec", format!("SELECT 'COPY t TO PROGRAM ''touch {server_at}''' \\gexec")),
            ("program", format!("COPY t FROM PROGRAM 'touch {server_at}';")),
            ("to program", format!("COPY (SELECT 1) TO PROGRAM 'touch {server_at}';")),
            ("file", format!("COPY t TO '{server_at}';")),
            ("hidden", format!("/* x */ CoPy t\n FROM --\n PROGRAM 'touch {server_at}';")),
        ] {
            let database = lab.database().await;
            let file = lab.file("evil.sql", format!("CREATE TABLE t (a text);\n\n{line}\nCREATE TABLE after ();\n"));
            let error = lab.prepare(&database, &[file], vec![], 1).await.expect_err(name);
            let text = error.to_string();
            assert!(text.contains("evil.sql:3: "), "{name}: {text}");
            assert!(error.is_the_scenarios(), "{name}: {text}");
            assert_eq!(database.count("pg_class WHERE relname IN ('after', 'other')").await, 0, "{name}");
            assert!(!canary.exists() && !from_server.exists(), "{name}: something was run");
        }
    });
}

#[test]
fn what_the_server_refuses_is_told_with_its_line() {
    refused(&[
        ("syntax.sql", b"SELECT 1;\n\nCREATE TABEL t (a int);\n", &["syntax.sql:3: ", "syntax error", "CREATE TABEL"]),
        (
            "copy.sql",
            b"CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\n2\nx\n\\.\n",
            &["copy.sql:2: ", "invalid input syntax", "line 3"],
        ),
        (
            "extension.sql",
            b"\nCREATE EXTENSION IF NOT EXISTS no_such_extension WITH SCHEMA public;\n",
            &["extension.sql:2: ", "no_such_extension", "`image`"],
        ),
        (
            "two.sql",
            b"\\connect one\nCREATE TABLE t ();\n\\connect one\n\\connect two\n",
            &["two.sql:4: ", "several databases", "`two`"],
        ),
        (
            "transaction.sql",
            b"BEGIN;\nCREATE TABLE t (a int PRIMARY KEY);\nINSERT INTO t VALUES (1);\nINSERT INTO t VALUES (1);\nCOMMIT;\n",
            &["transaction.sql:4: ", "duplicate key"],
        ),
    ]);
}

#[test]
fn an_error_in_the_middle_of_thousands_of_inserts_names_its_line() {
    let mut dump = "CREATE TABLE t (a int PRIMARY KEY, b text);\n".to_owned();
    for row in 1..=9_000 {
        let key = if row == 6_543 { 17 } else { row };
        writeln!(dump, "INSERT INTO t VALUES ({key},\n  'a text; of {row}');").expect("text can be written to");
    }
    refused(&[("inserts.sql", dump.as_bytes(), &["inserts.sql:13086: ", "(a)=(17) already exists"])]);
}

#[test]
fn a_custom_dump_that_was_cut_short_is_found_out() {
    with_server(Place::Local, async |lab: &Lab| {
        let source = lab.database().await;
        source.run("CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 20000) AS n").await;
        let whole = lab.program("pg_dump", &["-d", &source.name, "--format=custom"], None).await;
        for length in [20, whole.len() / 2, whole.len() - 100] {
            let database = lab.database().await;
            let file = lab.file("cut.dump", &whole[..length]);
            let error = lab.prepare(&database, &[file], vec![], 1).await.expect_err("a part of it is missing");
            let text = error.to_string();
            assert!(text.contains("cut.dump") && text.contains("pg_restore"), "{length}: {text}");
        }
    });
}

#[test]
fn a_setting_of_a_newer_server_is_noted_and_left_out() {
    with_server(Place::Local, async |lab: &Lab| {
        let database = lab.database().await;
        let dump = "SET statement_timeout = 0;\nSET no_such_setting = 0;\nCREATE TABLE t ();\n";
        let file = lab.file("newer.sql", dump);
        let prepared = lab.prepare(&database, &[file], vec![], 1).await.expect("it is restored");
        assert_eq!(database.count("pg_class WHERE relname = 't'").await, 1);
        assert!(prepared.notes.iter().any(|note| note.contains("no_such_setting")), "{:?}", prepared.notes);
    });
}

#[test]
fn roles_that_a_dump_names_are_made_even_within_its_transaction() {
    with_server(Place::Local, async |lab: &Lab| {
        let (owner, reader) = (Lab::name("The Owner"), Lab::name("reader"));
        let dump = format!(
            "BEGIN;\nCREATE TABLE t (a int PRIMARY KEY);\nALTER TABLE t OWNER TO \"{owner}\";\nINSERT INTO t VALUES (1);\n\
             COMMIT;\nGRANT SELECT ON t TO {reader}, \"{owner}\";\n"
        );
        let database = lab.database().await;
        let file = lab.file("roles.sql", dump);
        let prepared = lab.prepare(&database, &[file], vec![], 1).await.expect("it is restored");
        let found: String = database.get("SELECT tableowner::text FROM pg_tables WHERE tablename = 't'").await;
        assert_eq!(found, owner);
        assert_eq!(database.count("t").await, 1);
        let note = prepared.notes.join("\n");
        assert!(note.contains(&owner) && note.contains(&reader), "{note}");
    });
}

#[test]
fn encodings_and_line_ends_are_those_of_the_dump() {
    with_server(Place::Local, async |lab: &Lab| {
        let database = lab.database().await;
        let latin =
            b"SET client_encoding = 'LATIN1';\nCREATE TABLE latin (a text);\nCOPY latin FROM stdin;\n\xe9t\xe9\n\\.\n";
        let psql = b"\\encoding LATIN1\nCREATE TABLE meta (a text);\nCOPY meta FROM stdin;\n\xe9t\xe9\n\\.\n";
        let crlf = b"CREATE TABLE crlf (a text, b text);\r\nCOPY crlf FROM stdin;\r\none\ttwo\r\n\\.\r\nINSERT INTO crlf VALUES ('x',\r\n'y');\r\n";
        let files = [lab.file("latin.sql", latin), lab.file("meta.sql", psql), lab.file("crlf.sql", crlf)];
        lab.prepare(&database, &files, vec![], 1).await.expect("they are restored");
        for table in ["latin", "meta"] {
            assert_eq!(database.get::<String>(&format!("SELECT a FROM {table}")).await, "été", "{table}");
        }
        let pairs: String = database.get("SELECT string_agg(a || '/' || b, ' ') FROM crlf").await;
        assert_eq!(pairs, "one/two x/y");
    });
}
