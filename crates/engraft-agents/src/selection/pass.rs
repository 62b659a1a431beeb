//! Whether a patch passes a script that counts the cases in which it sees the issue.

use crate::python::strings::strip;

const CONFIRMING: &str = "Number of test cases confirming the issue exists:";
const TOTAL: &str = "Total number of test cases:";

/// The script saw the issue before the patch and sees it no more. An output without the count passes
/// nothing.
pub fn patch_passes(original: &str, patched: &str) -> bool {
    confirming(original).is_some_and(|cases| cases > 0) && confirming(patched) == Some(0)
}

/// The last count of cases that confirm the issue.
fn confirming(output: &str) -> Option<i64> {
    let after = output.rsplit(CONFIRMING).next()?;
    let count = after.split(TOTAL).next()?;
    strip(count).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::patch_passes;

    #[test]
    fn the_last_count_decides() {
        let counts = |first, last| {
            let block = |cases| {
                format!(
                    "Number of test cases confirming the issue exists: {cases}\nTotal number of test cases: 4\n"
                )
            };
            block(first) + &block(last)
        };
        assert!(patch_passes(&counts(0, 2), &counts(2, 0)));
        assert!(!patch_passes(&counts(2, 0), &counts(2, 0)));
        assert!(!patch_passes(&counts(0, 2), &counts(0, 2)));
    }
}
