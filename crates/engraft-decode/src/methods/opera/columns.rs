//! How strongly one earlier token of the answer draws the attention of all that came after it.
//!
//! The strength of a column is the product of the scaled attention that its token got from itself and
//! from everything later. A row of attention never changes once it is there, so a column's product
//! takes in one factor a token. Products of that many factors leave every number format: they are kept
//! as logarithms.

use half::f16;

use super::Opera;

/// Up to so many tokens of an answer, attention to the trusted span counts instead of columns.
const SHORT_ANSWER: usize = 10;

/// The columns of an answer's attention so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// For each token of the answer, the sum of the logarithms of its scaled attention.
    logs: Vec<f64>,
}

/// What over-trust costs a token that might come next.
#[derive(Clone, Debug, PartialEq)]
pub struct Penalty {
    /// To be subtracted from a logit; below 0 it favours the token.
    pub amount: f32,
    /// The strongest column, by its place in the answer.
    pub column: usize,
    /// Its strength, as a logarithm.
    pub log_strength: f64,
}

/// Divides a row of attention by its sum.
pub fn normalise(row: &mut [f32]) {
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|weight| *weight /= sum);
}

impl Columns {
    /// Takes in what a token pays to the answer so far and to itself, `[answer]` with the token
    /// counted, of a normalised row.
    pub fn push(&mut self, attention: &[f32], scale: f32) {
        self.logs.push(0.0);
        for (log, weight) in self.logs.iter_mut().zip(attention) {
            *log += f64::from(scale * weight).ln();
        }
    }

    /// What the columns would be with one more token, as logarithms with the constant factor.
    pub fn with(&self, attention: &[f32], settings: &Opera) -> Vec<f64> {
        let mut longer = self.clone();
        longer.push(attention, settings.scale_factor);
        let factor = f64::from(settings.factor).ln();
        longer.logs.iter_mut().for_each(|log| *log += factor);
        longer.logs
    }
}

/// The strength of a column in the half precision of the official code.
pub fn in_half_precision(log_strength: f64) -> f16 {
    f16::from_f32(log_strength.exp() as f32)
}

impl Penalty {
    /// Of a token whose normalised row of attention `[positions]` this is. The answer begins at
    /// `response`, and attention to `span` is what a short answer is rewarded for.
    pub fn of(
        columns: &Columns,
        row: &[f32],
        span: &std::ops::Range<usize>,
        response: usize,
        settings: &Opera,
    ) -> Self {
        let strengths = columns.with(&row[response..], settings);
        let column = strongest(&strengths, settings.half_precision);
        let log_strength = strengths[column];
        let amount = if strengths.len() <= SHORT_ANSWER {
            -row[span.clone()].iter().sum::<f32>()
        } else if settings.half_precision {
            in_half_precision(log_strength).to_f32()
        } else {
            log_strength.min(f64::from(settings.clamp)).exp() as f32
        };
        Self {
            amount,
            column,
            log_strength,
        }
    }

    /// The same, less an amount.
    pub fn less(&self, amount: f32) -> Self {
        Self {
            amount: self.amount - amount,
            ..self.clone()
        }
    }

    /// A logit less the penalty. Without a weight even an infinite one costs nothing.
    pub fn charge(&self, logit: f32, weight: f32) -> f32 {
        match weight == 0.0 {
            true => logit,
            false => logit - weight * self.amount,
        }
    }
}

/// The first of the strongest columns; in half precision, many that differ are equal.
fn strongest(strengths: &[f64], half_precision: bool) -> usize {
    let seen = |log: f64| match half_precision {
        true => in_half_precision(log).to_f64(),
        false => log,
    };
    let mut best = (0, f64::NEG_INFINITY);
    for (column, &log) in strengths.iter().enumerate() {
        if seen(log) > best.1 {
            best = (column, seen(log));
        }
    }
    best.0
}

/// The smallest of the most frequent numbers.
pub fn mode(numbers: impl IntoIterator<Item = usize>) -> usize {
    let mut counts = std::collections::BTreeMap::new();
    for number in numbers {
        *counts.entry(number).or_insert(0) += 1;
    }
    let most = counts.values().copied().max();
    let first = counts.into_iter().find(|(_, count)| Some(*count) == most);
    first.map_or(0, |(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opera_a_column_of_many_rows_stays_finite_and_leaves_the_logits_finite() {
        let settings = Opera::default();
        let mut columns = Columns::default();
        for length in 1..200 {
            let mut row = vec![0.001; length];
            row[0] = 1.0;
            columns.push(&row, settings.scale_factor);
        }
        let mut row = vec![0.0; 200];
        row[0] = 1.0;
        let penalty = Penalty::of(&columns, &row, &(0..1), 0, &settings);
        assert_eq!(penalty.column, 0);
        assert!((penalty.log_strength - (200.0 * 50f64.ln() + 1e-7f64.ln())).abs() < 1e-3);
        assert!(penalty.amount.is_finite());
        let official = Opera {
            half_precision: true,
            ..settings
        };
        let penalty = Penalty::of(&columns, &row, &(0..1), 0, &official);
        assert_eq!(penalty.amount, f32::INFINITY);
    }

    #[test]
    fn opera_strengths_too_small_for_half_precision_fall_to_the_first_column_there_only() {
        let logs = [-40.0, -30.0, -35.0];
        assert_eq!(strongest(&logs, false), 1);
        assert_eq!(strongest(&logs, true), 0);
        assert_eq!(strongest(&[f64::NEG_INFINITY; 3], false), 0);
    }

    #[test]
    fn opera_short_answers_are_rewarded_for_the_span() {
        let settings = Opera::default();
        let mut columns = Columns::default();
        let row = |length| vec![1.0 / length as f32; length];
        for length in 1..10 {
            let penalty = Penalty::of(&columns, &row(length + 4), &(1..3), 4, &settings);
            assert!((penalty.amount + 2.0 / (length + 4) as f32).abs() < 1e-6);
            columns.push(&row(length + 4)[4..], settings.scale_factor);
        }
        columns.push(&row(14)[4..], settings.scale_factor);
        let penalty = Penalty::of(&columns, &row(15), &(1..3), 4, &settings);
        assert!(penalty.amount > 0.0);
    }

    #[test]
    fn opera_the_mode_is_the_smallest_of_the_most_frequent() {
        assert_eq!(mode([5, 3, 5, 3, 9]), 3);
        assert_eq!(mode([7]), 7);
    }
}
