//! What the checks beside reference numbers share, and all of them in one list.

use std::fmt::{Debug, Display};

use engraft_method::parity::{Case, Check, ParityError};
use serde::de::DeserializeOwned;

/// The checks of this crate, for `experepair` and `agent-baselines`. Both folders hold kinds that other
/// crates answer.
pub fn checks() -> Vec<Check> {
    let checks = [
        crate::retrieval::CHECKS,
        crate::episodic::CHECKS,
        crate::insights::CHECKS,
        crate::entities::CHECKS,
    ];
    checks.concat()
}

/// The differences found in one case.
pub(crate) struct Differences {
    lines: Vec<String>,
    /// How far two numbers may be apart.
    tolerance: f64,
}

impl Differences {
    pub fn within(tolerance: f64) -> Self {
        Self {
            lines: Vec::new(),
            tolerance,
        }
    }

    pub fn exact() -> Self {
        Self::within(0.0)
    }

    pub fn equal<T: PartialEq + Debug + ?Sized>(&mut self, place: impl Display, got: &T, want: &T) {
        if got != want {
            self.lines
                .push(format!("{place}: got {got:?}, want {want:?}"));
        }
    }

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

    pub fn all_near(&mut self, place: impl Display, got: &[f64], want: &[f64]) {
        self.equal(format!("numbers in {place}"), &got.len(), &want.len());
        for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
            self.near(format!("{place}[{index}]"), got, want);
        }
    }

    /// # Errors
    /// All differences.
    pub fn told(self) -> Result<(), ParityError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        Err(ParityError::Computation(self.lines.join("\n")))
    }
}

/// The content of a case's JSON file.
///
/// # Errors
/// If it does not have the form of its kind.
pub(crate) fn whole<T: DeserializeOwned>(case: &Case) -> Result<T, ParityError> {
    read(case.document()?)
}

/// What stands under one key of it.
///
/// # Errors
/// If it is not there or does not have the form of its kind.
pub(crate) fn part<T: DeserializeOwned>(case: &Case, key: &str) -> Result<T, ParityError> {
    let part = case.document()?.get(key);
    read(part.ok_or_else(|| ParityError::MissingInput(key.to_owned()))?)
}

/// A value of a case in the form of its kind.
///
/// # Errors
/// If it does not have that form.
pub(crate) fn read<T: DeserializeOwned>(value: &serde_json::Value) -> Result<T, ParityError> {
    T::deserialize(value).map_err(|error| ParityError::Computation(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_apart_and_missing_numbers_are_told() {
        let mut differences = Differences::within(1e-9);
        differences.all_near("scores", &[1.0, f64::NAN], &[1.0 + 1e-6, 2.0, 3.0]);
        differences.near("mean", 1.0, 1.0 + 1e-10);
        let told = differences.told().unwrap_err().to_string();
        assert_eq!(told.lines().count(), 3, "{told}");
    }
}
