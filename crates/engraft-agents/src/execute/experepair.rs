//! What ExpeRepair's prompts show of a command's end.

use super::{Outcome, Stopped};

/// Lines above which the errors are cut.
const MOST_LINES: usize = 100;
/// Lines kept at either end.
const KEPT_LINES: usize = 50;

/// The errors as prompts show them: above 100 lines the first 50, a line `...`, and the last 50.
pub fn cut_lines(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().collect();
    if lines.len() <= MOST_LINES {
        return stderr.to_owned();
    }
    let head = lines[..KEPT_LINES].join("\n");
    let tail = lines[lines.len() - KEPT_LINES..].join("\n");
    format!("{head}\n...\n{tail}")
}

/// The outcome in the method's form: the errors cut, and of a command that ran out of time nothing
/// but a notice, with the status -1.
pub fn as_experepair(outcome: Outcome) -> Outcome {
    match outcome.stopped {
        Some(Stopped::Time) => Outcome {
            code: -1,
            stdout: String::new(),
            stderr: format!(
                "The command was stopped: it ran out of time after {} seconds.",
                outcome.took.as_secs()
            ),
            ..outcome
        },
        _ => Outcome {
            stderr: cut_lines(&outcome.stderr),
            ..outcome
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn numbered(count: usize) -> String {
        let lines: Vec<String> = (0..count).map(|line| format!("line {line}")).collect();
        lines.join("\n")
    }

    #[test]
    fn a_hundred_lines_stay_and_one_more_loses_the_middle() {
        assert_eq!(cut_lines(&numbered(100)), numbered(100));
        let cut = cut_lines(&numbered(101));
        let lines: Vec<&str> = cut.lines().collect();
        assert_eq!(lines.len(), 101);
        assert_eq!(lines[49..52], ["line 49", "...", "line 51"]);
        assert_eq!(lines[100], "line 100");
    }

    #[test]
    fn of_a_timeout_only_the_notice_is_left() {
        let outcome = Outcome {
            code: -1,
            stdout: "half".into(),
            stderr: "half".into(),
            stopped: Some(Stopped::Time),
            took: Duration::from_millis(120_500),
        };
        let shown = as_experepair(outcome);
        assert_eq!((shown.code, shown.stdout.as_str()), (-1, ""));
        assert!(shown.stderr.contains("120 seconds"), "{}", shown.stderr);
    }

    #[test]
    fn other_outcomes_keep_what_they_printed() {
        let outcome = Outcome {
            code: 1,
            stdout: numbered(150),
            stderr: numbered(150),
            stopped: None,
            took: Duration::ZERO,
        };
        let shown = as_experepair(outcome);
        assert_eq!(shown.code, 1);
        assert_eq!(shown.stdout, numbered(150));
        assert_eq!(shown.stderr, cut_lines(&numbered(150)));
    }
}
