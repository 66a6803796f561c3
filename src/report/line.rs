//! A run in one line, for catalogues of many.

use super::text::head::{counts, incomplete};
use crate::run::Run;

/// `FAIL  slow         migrate-first    2 errors, 1 warning  Add a status to orders (scenarios/status.toml)`, without a
/// newline. A run that was cut short says so in front.
pub fn line(run: &Run) -> String {
    let (status, class, deploy) = run.verdict.as_ref().map_or_else(
        || ("NONE".to_owned(), "-".to_owned(), "-".to_owned()),
        |verdict| {
            let deploy = verdict.deploy.map_or_else(|| "-".to_owned(), |deploy| deploy.to_string());
            let class = verdict.class.map_or_else(|| "-".to_owned(), |class| class.to_string());
            (verdict.status.to_string().to_uppercase(), class, deploy)
        },
    );
    let cut_short =
        incomplete(run).map(|why| format!("{}; ", why.lines().next().unwrap_or_default())).unwrap_or_default();
    let (scenario, counts) = (&run.scenario, counts(run));
    format!("{status:<4}  {class:<11}  {deploy:<15}  {cut_short}{counts}  {} ({})", scenario.title, scenario.path)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::run::Completion;
    use crate::verdict::testing::{facts, migration, statement};

    #[test]
    fn status_class_and_order_stand_in_columns() {
        let rewrite = statement(1, "VACUUM FULL orders", 9).rewrite("public.orders", 9);
        let failing = facts().table("public.orders", 20_000).migration(migration("1").statement(rewrite));
        for (run, shown) in [
            (facts(), "PASS  additive     -                no findings  "),
            (failing, "FAIL  slow         -                1 error  "),
            (facts().migration(migration("1").failed_with("no")), "FAIL  -            -                1 error  "),
            (
                facts().with(|run| run.completion = Completion::Interrupted),
                "NONE  -            -                INTERRUPTED; no findings  ",
            ),
        ] {
            assert_eq!(line(&run.judged()), format!("{shown}Add a status to orders (scenarios/status.toml)"));
        }
    }
}
