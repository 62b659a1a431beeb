//! What differs in a case that is compared as JSON: the check compares every output itself, and tells all that
//! differs at once.

use std::fmt::{Debug, Display};

use serde_json::Value;

use super::ParityError;

/// The differences found in one case. Every comparison says its `place`: the key, the index, the name.
#[derive(Debug)]
pub struct Differences {
    lines: Vec<String>,
    /// How far two numbers may be apart.
    tolerance: f64,
}

impl Differences {
    /// Of numbers that may be so far apart.
    pub fn within(tolerance: f64) -> Self {
        Self {
            lines: Vec::new(),
            tolerance,
        }
    }

    /// Of numbers that must be the same.
    pub fn exact() -> Self {
        Self::within(0.0)
    }

    /// Compares two values of a type; numbers in them must be the same.
    pub fn equal<T: PartialEq + Debug + ?Sized>(&mut self, place: impl Display, got: &T, want: &T) {
        if got != want {
            self.lines
                .push(format!("{place}: got {got:?}, want {want:?}"));
        }
    }

    /// Compares two values as files write them: 1 and 1.0 are the same number. Numbers within lists and objects
    /// must be written alike.
    pub fn equal_json(&mut self, place: impl Display, got: &Value, want: &Value) {
        let same = match (got, want) {
            (Value::Number(got), Value::Number(want)) => got.as_f64() == want.as_f64(),
            _ => got == want,
        };
        if !same {
            self.lines.push(format!("{place}: got {got}, want {want}"));
        }
    }

    /// Compares two numbers, which may be apart by the tolerance.
    pub fn near(&mut self, place: impl Display, got: f64, want: f64) {
        let apart = (got - want).abs();
        // Not a number is near nothing.
        if !matches!(apart.partial_cmp(&self.tolerance), Some(order) if order.is_le()) {
            let tolerance = self.tolerance;
            self.lines.push(format!(
                "{place}: got {got}, want {want} within {tolerance}"
            ));
        }
    }

    /// Compares two lists of numbers, which must be of one length.
    pub fn all_near(&mut self, place: impl Display, got: &[f64], want: &[f64]) {
        self.equal(format!("numbers in {place}"), &got.len(), &want.len());
        for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
            self.near(format!("{place}[{index}]"), got, want);
        }
    }

    /// # Errors
    /// All differences, a line each, if there is one.
    pub fn told(self) -> Result<(), ParityError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        Err(ParityError::Computation(self.lines.join("\n")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_apart_and_missing_numbers_are_told() {
        let mut differences = Differences::within(1e-9);
        differences.all_near("scores", &[1.0, f64::NAN], &[1.0 + 1e-6, 2.0, 3.0]);
        differences.near("mean", 1.0, 1.0 + 1e-10);
        let told = differences.told().unwrap_err().to_string();
        assert_eq!(told.lines().count(), 3, "{told}");
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point_and_nothing_else_may_differ() {
        let mut differences = Differences::exact();
        differences.equal_json("same", &json!(1), &json!(1.0));
        for (got, want) in [
            (json!(1), json!(1.5)),
            (json!(1), json!("1")),
            (json!(null), json!("")),
            (json!([1, 2]), json!([1])),
        ] {
            differences.equal_json("other", &got, &want);
        }
        let told = differences.told().unwrap_err().to_string();
        assert_eq!(told.lines().count(), 4, "{told}");
    }
}
