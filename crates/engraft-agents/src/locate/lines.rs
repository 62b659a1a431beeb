//! Ranges of lines, and the window around one.

use serde::{Deserialize, Serialize};

/// Lines of a file, counted from 1, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lines {
    pub first: usize,
    pub last: usize,
}

/// How the window around lines is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowRule {
    /// The last line of the window is shown, and a centre beyond the file is its last line.
    #[default]
    Inclusive,
    /// As released: the line at the end of the window is left out, so that the last line of a file is
    /// never shown, and a centre beyond the file shows nothing.
    Released,
}

/// Lines shown on either side of the range that was asked for.
const MARGIN: u64 = 10;

/// The window around `start..=end` in a file of `count` lines: from the centre as far as the ends lie
/// apart from it and ten lines more. `None` if nothing is shown.
///
/// The numbers come from a model and may be any.
pub fn window(start: u64, end: u64, count: usize, rule: WindowRule) -> Option<Lines> {
    let (start, end) = match rule {
        WindowRule::Inclusive => (start.min(end), start.max(end)),
        WindowRule::Released => (start, end),
    };
    let last = count as u64;
    let (centre, span) = centre_and_span(start, end);
    let (centre, beyond) = match rule {
        WindowRule::Inclusive => (centre.clamp(1, last.max(1)), 1),
        WindowRule::Released if centre > last || centre < 1 => return None,
        WindowRule::Released => (centre, 0),
    };
    let first = (i128::from(centre) - span).max(1);
    // The line after the window.
    let stop = (i128::from(centre) + span).min(i128::from(last)) + beyond;
    (first < stop).then_some(Lines {
        first: first as usize,
        last: (stop - 1) as usize,
    })
}

/// The middle of a range and how far its window reaches from there.
pub(super) fn centre_and_span(start: u64, end: u64) -> (u64, i128) {
    let [start, end] = [start, end].map(i128::from);
    let centre = (start + end).div_euclid(2);
    let span = (centre - start).max(end - centre) + i128::from(MARGIN);
    (centre as u64, span)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Lines, WindowRule, window};

    fn shown(start: u64, end: u64, count: usize) -> Option<(usize, usize)> {
        window(start, end, count, WindowRule::Inclusive).map(|Lines { first, last }| (first, last))
    }

    #[test]
    fn the_last_line_is_shown_and_a_centre_beyond_the_file_is_its_end() {
        assert_eq!(shown(190, 200, 200), Some((180, 200)));
        assert_eq!(shown(500, 510, 30), Some((15, 30)));
        assert_eq!(shown(60, 50, 200), shown(50, 60, 200));
        assert_eq!(shown(1, 1, 1), Some((1, 1)));
        assert_eq!(shown(1, 1, 0), None);
    }

    proptest! {
        #[test]
        fn a_window_lies_in_the_file(start in any::<u64>(), end in any::<u64>(), count in 0..1000_usize) {
            for rule in [WindowRule::Inclusive, WindowRule::Released] {
                if let Some(Lines { first, last }) = window(start, end, count, rule) {
                    prop_assert!(1 <= first && first <= last && last <= count);
                }
            }
        }

        #[test]
        fn a_range_in_the_file_is_in_its_window(start in 1..500_u64, more in 0..500_u64) {
            let lines = window(start, start + more, 1000, WindowRule::Inclusive).unwrap();
            prop_assert!(lines.first as u64 <= start && start + more <= lines.last as u64);
        }
    }
}
