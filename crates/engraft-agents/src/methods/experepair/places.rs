//! Looking around in the work copy: what files there are, and which speak of the issue.

use engraft_memory::retrieval::{Bm25, Okapi, Scores, tokens};

use crate::{Desk, DeskError, locate::is_test_file};

/// Lines of a test file of the project that the tester is shown.
const TEST_LINES: usize = 1000;
/// Files that are looked into at most, and bytes of each.
const MOST_FILES: usize = 5000;

/// The beginning of the project's test file that speaks most of the issue. It is found by the words of
/// the issue alone.
pub(super) fn existing_test(desk: &Desk<'_>) -> Result<Option<String>, DeskError> {
    let tests = files(desk, |path| {
        let name = path.rsplit('/').next().unwrap_or(path);
        is_test_file(path) || name.starts_with("test")
    })?;
    let best = related(&desk.task.issue, &tests).into_iter().next();
    Ok(best.map(|index| {
        let lines: Vec<&str> = tests[index].1.lines().take(TEST_LINES).collect();
        lines.join("\n")
    }))
}

/// Python files with their content, of those that are wanted.
pub(super) fn files(
    desk: &Desk<'_>,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<(String, String)>, DeskError> {
    let mut found = Vec::new();
    for file in desk.copy.files()? {
        // A name that is no text cannot be written into a prompt, nor read out of an answer.
        let Some(path) = file
            .to_str()
            .filter(|path| !path.contains(char::is_control))
        else {
            continue;
        };
        if !path.ends_with(".py") || !wanted(path) {
            continue;
        }
        // What cannot be read as text is nothing to show; what holds NUL is none to git and to Python either.
        if let Ok(text) = desk.copy.read(&file)
            && !text.contains('\0')
        {
            found.push((path.to_owned(), text));
        }
        if found.len() >= MOST_FILES {
            break;
        }
    }
    Ok(found)
}

/// Indices of files that share words with the issue, by BM25 over path and content, best first.
pub(super) fn related(issue: &str, files: &[(String, String)]) -> Vec<usize> {
    let mut index = Bm25::new(Okapi::default());
    for (number, (path, text)) in files.iter().enumerate() {
        index.add(number as u32, &tokens(&format!("{path}\n{text}")));
    }
    let mut scores = Scores::default();
    index.scores(&tokens(issue), &mut scores);
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by(|&a, &b| scores.get(b as u32).total_cmp(&scores.get(a as u32)));
    order
}
