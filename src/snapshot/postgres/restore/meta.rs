//! What is done about the commands of psql that stand in plain dumps. None of them is ever run.

/// What is done about one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// It only concerns what psql shows.
    Skip,
    /// The encoding of what follows.
    Encoding(String),
    /// What follows is of this database; `None` is the one at hand.
    Connect(Option<String>),
    /// It could reach a shell, a file, or decide what is run.
    Refuse,
}

/// Settings of what psql shows, and marks that it checks.
const HARMLESS: [&str; 18] = [
    ".",
    "a",
    "C",
    "conninfo",
    "echo",
    "errverbose",
    "f",
    "H",
    "pset",
    "qecho",
    "restrict",
    "set",
    "t",
    "timing",
    "unrestrict",
    "unset",
    "warn",
    "x",
];

/// Judges a command of psql by its line, backslash included.
pub(crate) fn judge(line: &str) -> Action {
    let body = line.trim().strip_prefix('\\').unwrap_or(line);
    // Backticks run a shell command in whatever argument they stand.
    if body.contains('`') {
        return Action::Refuse;
    }
    let (name, arguments) = body.split_once(char::is_whitespace).unwrap_or((body, ""));
    // A backslash further on begins another command on the same line.
    if arguments.contains('\\') && !matches!(name, "echo" | "qecho" | "warn") {
        return Action::Refuse;
    }
    match name.trim_end_matches(';') {
        "encoding" if !arguments.trim().is_empty() => Action::Encoding(bare(arguments)),
        "encoding" => Action::Skip,
        "c" | "connect" => connect(arguments),
        name if HARMLESS.contains(&name) && !arguments.contains("\\!") => Action::Skip,
        _ => Action::Refuse,
    }
}

fn connect(arguments: &str) -> Action {
    let mut words = arguments.trim();
    if let Some(rest) = words.strip_prefix("-reuse-previous=") {
        words = rest.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim());
    }
    let first = if words.starts_with('"') { words } else { words.split_whitespace().next().unwrap_or("") };
    let name = bare(if first.contains("dbname=") { words } else { first });
    // A connection string, as pg_dumpall writes it for names that need quotes.
    let name = match name.split_once("dbname=") {
        Some((_, value)) => value.trim().trim_matches('\'').to_owned(),
        None => name,
    };
    Action::Connect((!name.is_empty() && name != "-").then_some(name))
}

/// An argument without a closing semicolon and without the quotes around it.
fn bare(argument: &str) -> String {
    let argument = argument.trim().trim_end_matches(';').trim_end();
    let inner = ['"', '\''].iter().find_map(|quote| argument.strip_prefix(*quote)?.strip_suffix(*quote));
    inner.unwrap_or(argument).replace("\"\"", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_do_anything_is_skipped() {
        let to = |name: &str| Action::Connect(Some(name.into()));
        for (line, action) in [
            ("\\restrict 5hNq", Action::Skip),
            ("\\unrestrict 5hNq", Action::Skip),
            ("\\.", Action::Skip),
            ("\\set ON_ERROR_STOP on", Action::Skip),
            ("\\echo done \\o/", Action::Skip),
            ("\\encoding LATIN1", Action::Encoding("LATIN1".into())),
            ("\\c chinook;", to("chinook")),
            ("\\connect \"My \"\"Shop\"\"\"", to("My \"Shop\"")),
            ("\\connect shop owner localhost", to("shop")),
            ("\\connect -reuse-previous=on \"dbname='my shop'\"", to("my shop")),
            ("\\c", Action::Connect(None)),
            ("\\c -", Action::Connect(None)),
            ("\\! rm -rf /", Action::Refuse),
            ("\\set x `id`", Action::Refuse),
            ("\\echo `id`", Action::Refuse),
            ("\\set x 1 \\! id", Action::Refuse),
            ("\\echo x \\! id", Action::Refuse),
            ("\\i other.sql", Action::Refuse),
            ("\\copy t from 'x'", Action::Refuse),
            ("\\o | cat", Action::Refuse),
            ("\\gexec", Action::Refuse),
            ("\\if true", Action::Refuse),
            ("\\unknown", Action::Refuse),
            ("\\\\echo x", Action::Refuse),
        ] {
            assert_eq!(judge(line), action, "{line}");
        }
    }
}
