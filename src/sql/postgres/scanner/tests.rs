//! Claims about streams and COPY data.

use std::io::{BufReader, Read};

use pretty_assertions::assert_eq;

use super::*;

/// Items as words, the data of one COPY joined.
fn story(sql: &str) -> Vec<String> {
    let mut story: Vec<String> = Vec::new();
    // A tiny buffer, so that every token goes over its end somewhere.
    for item in Scanner::new(BufReader::with_capacity(3, sql.as_bytes())) {
        match item.expect("the script is whole") {
            Item::Statement(statement) => story.push(format!("{}: {}", statement.line, statement.text)),
            Item::CopyStart(statement) => story.push(format!("{}: {} <<", statement.line, statement.text)),
            Item::CopyData(chunk) => story.push(String::from_utf8(chunk.to_vec()).expect("text")),
            Item::CopyEnd => story.push(">>".to_owned()),
            Item::Meta(meta) => story.push(format!("{}: meta {}", meta.line, meta.text)),
        }
    }
    story
}

#[test]
fn copy_data_is_handed_on_untouched_up_to_its_end() {
    let sql = "COPY t (a, b) FROM stdin WITH (NULL 'x');\n1\t'\n\\N\t;\\.\n\\\\.\n\\.\nSELECT 1;";
    assert_eq!(
        story(sql),
        ["1: COPY t (a, b) FROM stdin WITH (NULL 'x') <<", "1\t'\n\\N\t;\\.\n\\\\.\n", ">>", "6: SELECT 1",]
    );
}

#[test]
fn copy_data_may_be_empty_or_end_with_the_input() {
    assert_eq!(story("COPY t FROM STDIN;\n\\.\n"), ["1: COPY t FROM STDIN <<", ">>"]);
    assert_eq!(
        story("COPY t FROM STDIN;\r\n1\r\n\\.\r\nSELECT 1"),
        ["1: COPY t FROM STDIN <<", "1\r\n", ">>", "4: SELECT 1",]
    );
    assert_eq!(story("COPY t FROM STDIN;\n\\."), ["1: COPY t FROM STDIN <<", ">>"]);
}

#[test]
fn what_stands_behind_the_copy_on_its_line_comes_after_the_data() {
    let sql = "COPY t FROM STDIN; SELECT 1; -- x\n1\n\\.\nSELECT 2;";
    assert_eq!(story(sql), ["1: COPY t FROM STDIN <<", "1\n", ">>", "1: SELECT 1", "4: SELECT 2"]);
}

#[test]
fn only_a_copy_from_the_client_has_data() {
    for sql in [
        "COPY t TO STDOUT",
        "COPY t FROM '/tmp/x'",
        "COPY t FROM PROGRAM 'stdin'",
        "COPY (SELECT 1 FROM stdin) TO STDOUT",
        "COPY t (\"from\") TO STDIN",
    ] {
        assert_eq!(story(&format!("{sql};\nSELECT 1")), [format!("1: {sql}"), "2: SELECT 1".to_owned()]);
    }
    for sql in ["COPY BINARY \"t x\" FROM STDIN", "copy s.from (a) from /* x */ stdin csv", "COPY t FROM STDOUT"] {
        assert_eq!(
            story(&format!("{sql};\n\\.\nSELECT 1")),
            [format!("1: {sql} <<"), ">>".into(), "3: SELECT 1".into()]
        );
    }
}

#[test]
fn a_dump_of_any_size_is_read_in_chunks() {
    let rows = 100_000_u32;
    let mut sql = b"COPY t FROM stdin;\n".to_vec();
    for row in 0..rows {
        sql.extend_from_slice(format!("{row}\tsome text\n").as_bytes());
    }
    let size = sql.len() - 19;
    sql.extend_from_slice(b"\\.\n\\unrestrict x\n");
    let mut scanner = Scanner::new(BufReader::new(sql.as_slice()));
    assert!(matches!(scanner.next_item(), Ok(Some(Item::CopyStart(_)))));
    let mut total = 0;
    let mut chunks = 0;
    while let Ok(Some(Item::CopyData(chunk))) = scanner.next_item() {
        assert!(chunk.ends_with(b"\n") && chunk.len() < CHUNK + 100, "a chunk is whole lines");
        total += chunk.len();
        chunks += 1;
    }
    assert_eq!(total, size);
    assert!(chunks > 10, "{chunks} chunks");
    let last = scanner.next_item().expect("whole");
    let line = rows + 3;
    assert_eq!(last, Some(Item::Meta(MetaCommand { line, text: "\\unrestrict x".into(), in_statement: false })));
    assert_eq!(scanner.next_item().expect("whole"), None);
}

#[test]
fn a_token_goes_over_any_number_of_lines() {
    let sql = "SELECT 'a\n;\n', $x$\n;$y$\n$x$ /*\n;/*\n*/\n*/, \"\n;\", E'\\\n;';\nSELECT 2";
    assert_eq!(story(sql), [format!("1: {}", sql.split(";\nSELECT 2").next().unwrap()), "11: SELECT 2".to_owned()]);
}

#[test]
fn latin_1_is_data_but_no_statement() {
    let mut scanner = Scanner::new(&b"COPY t FROM stdin;\n\xe9\n\\.\n\nSELECT '\xe9';SELECT 1;"[..]);
    assert!(matches!(scanner.next_item(), Ok(Some(Item::CopyStart(_)))));
    assert_eq!(scanner.next_item().expect("data"), Some(Item::CopyData(Bytes::from_static(b"\xe9\n"))));
    assert_eq!(scanner.next_item().expect("end"), Some(Item::CopyEnd));
    assert!(matches!(scanner.next_item(), Err(ScanError::NotUtf8 { line: 5 })));
    assert!(scanner.next().is_none(), "nothing comes after an error");
}

#[test]
fn an_input_that_fails_is_an_error_with_the_line_it_came_to() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk on fire"))
        }
    }
    let reader = BufReader::new((&b"SELECT 1;\nSELECT 2;\n"[..]).chain(Broken));
    let error = Scanner::new(reader).find_map(Result::err).expect("it fails");
    assert_eq!(error.to_string(), "cannot read the script after line 2");
}
