//! What a model is shown of a command's output.

use std::fmt;

/// From so many characters on, an output is cut.
const LONG: usize = 10_000;
/// Characters shown of each end of it.
const END: usize = 5_000;

/// An output, whole or without its middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation<'a> {
    Whole(&'a str),
    Cut {
        head: &'a str,
        /// Characters between head and tail.
        elided: usize,
        tail: &'a str,
    },
}

impl<'a> Observation<'a> {
    /// Cuts an output of 10,000 characters or more to its first and last 5,000.
    pub fn of(output: &'a str) -> Self {
        let length = output.chars().count();
        if length < LONG {
            return Self::Whole(output);
        }
        let byte = |character| {
            output
                .char_indices()
                .nth(character)
                .map_or(output.len(), |(at, _)| at)
        };
        Self::Cut {
            head: &output[..byte(END)],
            elided: length - 2 * END,
            tail: &output[byte(length - END)..],
        }
    }
}

impl fmt::Display for Observation<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(output) => out.write_str(output),
            Self::Cut { head, elided, tail } => {
                write!(out, "{head}\n[{elided} characters left out]\n{tail}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Observation;

    #[test]
    fn characters_are_counted_and_not_bytes() {
        let output = "é".repeat(9_999);
        assert_eq!(Observation::of(&output), Observation::Whole(&output));
        let output = format!("{}{}é", "é".repeat(5_000), "x".repeat(5_006));
        let shown = Observation::of(&output);
        let Observation::Cut { head, elided, tail } = shown else {
            panic!("10,007 characters are cut");
        };
        assert_eq!(elided, 7);
        assert_eq!(head, "é".repeat(5_000));
        assert_eq!(tail, format!("{}é", "x".repeat(4_999)));
        assert!(shown.to_string().contains("[7 characters left out]"));
    }
}
