//! How often rare facts are answered with popular ones: linear in the logarithm of a ratio.

use engraft_method::parity::{Case, ParityError};
use serde::{Deserialize, Deserializer, Serialize};

/// `rate = slope · ln(ratio / critical)`, fitted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Law {
    /// Rate gained where the natural logarithm of the ratio grows by 1.
    pub slope: f64,
    /// The rate at a ratio of 1.
    pub intercept: f64,
    /// The ratio at which the rate is 0; infinite, 0 or no number if the slope is 0, which files write as
    /// nothing.
    #[serde(deserialize_with = "number_or_nothing")]
    pub critical: f64,
    /// Share of the rates' variance that the line explains.
    pub r2: f64,
}

fn number_or_nothing<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let number = Option::<f64>::deserialize(from)?;
    Ok(number.unwrap_or(f64::NAN))
}

impl Law {
    /// The rate to expect at a ratio, from 0 to 1.
    pub fn predict(&self, ratio: f64) -> f64 {
        (self.slope * ratio.ln() + self.intercept).clamp(0.0, 1.0)
    }
}

/// Least squares of the rates on the logarithm of the ratios: of popularity, of lengths or of model
/// sizes, one varied at a time. None if there are not two different ratios, all above 0.
pub fn law_fit(ratios: &[f64], rates: &[f64]) -> Option<Law> {
    if ratios.len() != rates.len() || ratios.iter().any(|&ratio| ratio <= 0.0) {
        return None;
    }
    let logs: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (log, rate) = (mean(&logs), mean(rates));
    let products = |a: &[f64], a_mean: f64, b: &[f64], b_mean: f64| -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| (a - a_mean) * (b - b_mean)).sum()
    };
    let spread = products(&logs, log, &logs, log);
    if spread.is_nan() || spread <= 0.0 {
        return None;
    }
    let slope = products(&logs, log, rates, rate) / spread;
    let intercept = rate - slope * log;
    let total = products(rates, rate, rates, rate);
    let left: f64 = logs
        .iter()
        .zip(rates)
        .map(|(log, rate)| (rate - slope * log - intercept).powi(2))
        .sum();
    Some(Law {
        slope,
        intercept,
        critical: (-intercept / slope).exp(),
        r2: if total > 0.0 { 1.0 - left / total } else { 1.0 },
    })
}

pub(super) fn parity(case: &mut Case) -> Result<(), ParityError> {
    let fit = law_fit(&case.input("P")?.values, &case.input("R")?.values);
    let law = fit.ok_or_else(|| ParityError::Computation("no two ratios differ".to_owned()))?;
    case.output("alpha", [law.slope]);
    case.output("intercept", [law.intercept]);
    case.output("P_c", [law.critical]);
    case.output("r2", [law.r2]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_stay_between_nothing_and_everything() {
        let law = law_fit(&[2.0, 4.0, 8.0], &[0.0, 0.3, 0.6]).expect("three ratios");
        assert!((law.critical - 2.0).abs() < 1e-12);
        assert_eq!(law.predict(1.0), 0.0);
        assert_eq!(law.predict(1e6), 1.0);
        assert!((law.predict(4.0) - 0.3).abs() < 1e-12);
    }

    #[test]
    fn one_ratio_is_no_line_and_equal_rates_are_a_flat_one() {
        assert_eq!(law_fit(&[3.0, 3.0], &[0.1, 0.2]), None);
        assert_eq!(law_fit(&[], &[]), None);
        assert_eq!(law_fit(&[0.0, 1.0], &[0.1, 0.2]), None);
        let flat = law_fit(&[1.0, 2.0], &[0.5, 0.5]).expect("two ratios");
        assert_eq!((flat.slope, flat.predict(9.0), flat.r2), (0.0, 0.5, 1.0));
    }
}
