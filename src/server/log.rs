//! What of a server's log is shown.

/// The last lines of a log that speak of errors, or else those from where a process of PostgreSQL's broke down, or else the
/// last lines, set off for an error message.
pub(crate) fn tail(log: &str) -> String {
    const MOST: usize = 8;
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    // As MySQL and MariaDB mark them; PostgreSQL says so little that its last lines have all of it.
    let errors: Vec<&str> = lines.iter().copied().filter(|line| line.contains("[ERROR]")).collect();
    let told = if errors.is_empty() { lines } else { errors };
    let broke = told.iter().rposition(|line| line.contains(" PANIC:  "));
    let from = broke.unwrap_or(told.len()).min(told.len().saturating_sub(MOST));
    told[from..].iter().take(MOST).fold(String::new(), |text, line| text + "\n  | " + line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_log_that_is_shown_which_says_why() {
        let lines = |from: usize, to: usize| {
            (from..to).fold(String::new(), |text, line| text + &format!("LOG:  line {line}\n"))
        };
        assert_eq!(tail("\n\n"), "");
        assert_eq!(tail(&lines(0, 20)).lines().nth(1), Some("  | LOG:  line 12"));
        let panic = "PANIC:  could not write to file: No space left on device\n";
        let broken = lines(0, 20) + "12:28 UTC [50] " + panic + &lines(20, 40);
        let shown = tail(&broken);
        assert_eq!(
            shown.lines().nth(1),
            Some("  | 12:28 UTC [50] PANIC:  could not write to file: No space left on device")
        );
        assert_eq!(shown.lines().count(), 9);
        assert_eq!(tail("note\n[ERROR] no\nnote\n"), "\n  | [ERROR] no");
    }
}
