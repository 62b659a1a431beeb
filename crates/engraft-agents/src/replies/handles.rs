//! Which failed attempts are shown again.

/// What asking for no feedback gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZeroFeedback {
    /// None, as asked.
    #[default]
    Nothing,
    /// All of it, as the released code does.
    Everything,
}

/// The latest `max` attempts that failed: those that did not show the issue, then those of the history.
pub fn feedback_handles<'a, T>(
    history: &'a [T],
    failed: &'a [T],
    max: usize,
    zero: ZeroFeedback,
) -> Vec<&'a T> {
    let all: Vec<&T> = failed.iter().chain(history).collect();
    let skipped = match (max, zero) {
        (0, ZeroFeedback::Everything) => 0,
        _ => all.len().saturating_sub(max),
    };
    all[skipped..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::{ZeroFeedback, feedback_handles};

    #[test]
    fn asking_for_none_gives_none_unless_the_released_code_is_wanted() {
        let (history, failed) = ([2], [0, 1]);
        assert!(feedback_handles(&history, &failed, 0, ZeroFeedback::Nothing).is_empty());
        let all = feedback_handles(&history, &failed, 0, ZeroFeedback::Everything);
        assert_eq!(all, [&0, &1, &2]);
    }
}
