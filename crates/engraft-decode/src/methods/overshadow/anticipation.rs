//! How well the detector's score tells beforehand that an answer will be wrong.

use engraft_method::parity::{Case, ParityError};

/// An alarm at every threshold: it rings where the score is at most the threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Anticipation {
    /// The scores, each once, ascending.
    pub thresholds: Vec<f64>,
    /// Share of the alarms that were right, one a threshold.
    pub precision: Vec<f64>,
    /// Share of the wrong answers that had an alarm, one a threshold.
    pub recall: Vec<f64>,
    /// Harmonic mean of both.
    pub f1: Vec<f64>,
    /// The lowest threshold with the best harmonic mean.
    pub best_threshold: f64,
    pub best_f1: f64,
    /// Chance that a wrong answer scores below a right one, ties counting one half; no number if all
    /// answers are wrong or all right.
    pub auroc: f64,
}

/// Sets scores (low: a condition is ignored) beside what happened (true: the answer was wrong). None
/// without scores.
pub fn anticipation(scores: &[f64], wrong: &[bool]) -> Option<Anticipation> {
    let mut pairs: Vec<(f64, bool)> = scores.iter().copied().zip(wrong.iter().copied()).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all_wrong = pairs.iter().filter(|pair| pair.1).count() as f64;
    let all_right = pairs.len() as f64 - all_wrong;
    let mut out = Anticipation {
        thresholds: Vec::new(),
        precision: Vec::new(),
        recall: Vec::new(),
        f1: Vec::new(),
        best_threshold: pairs.first()?.0,
        best_f1: 0.0,
        auroc: 0.0,
    };
    let (mut alarms, mut hits) = (0.0, 0.0);
    for ties in pairs.chunk_by(|a, b| a.0 == b.0) {
        let wrong = ties.iter().filter(|pair| pair.1).count() as f64;
        let right = ties.len() as f64 - wrong;
        out.auroc += right * (hits + wrong / 2.0);
        alarms += ties.len() as f64;
        hits += wrong;
        let precision = hits / alarms;
        let recall = if all_wrong > 0.0 {
            hits / all_wrong
        } else {
            0.0
        };
        let f1 = match precision + recall > 0.0 {
            true => 2.0 * precision * recall / (precision + recall),
            false => 0.0,
        };
        if f1 > out.best_f1 {
            (out.best_threshold, out.best_f1) = (ties[0].0, f1);
        }
        out.thresholds.push(ties[0].0);
        out.precision.push(precision);
        out.recall.push(recall);
        out.f1.push(f1);
    }
    out.auroc /= all_wrong * all_right;
    Some(out)
}

pub(super) fn parity(case: &mut Case) -> Result<(), ParityError> {
    let labels = case.input("label")?.i64();
    let wrong: Vec<bool> = labels.into_iter().map(|label| label == 1).collect();
    let found = anticipation(&case.input("score")?.values, &wrong)
        .ok_or_else(|| ParityError::Computation("there are no scores".to_owned()))?;
    case.output("thresholds", found.thresholds);
    case.output("precision", found.precision);
    case.output("recall", found.recall);
    case.output("f1", found.f1);
    case.output("best_threshold", [found.best_threshold]);
    case.output("best_f1", [found.best_f1]);
    case.output("auroc", [found.auroc]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_count_one_half_and_the_first_best_threshold_is_taken() {
        let scores = [-3.0, -1.0, -1.0, 0.0];
        let found = anticipation(&scores, &[true, true, false, false]).expect("scores");
        assert_eq!(found.thresholds, [-3.0, -1.0, 0.0]);
        assert_eq!(found.auroc, 3.5 / 4.0);
        assert_eq!((found.best_threshold, found.best_f1), (-1.0, 0.8));
        let tied = anticipation(&[1.0, 1.0], &[true, false]).expect("scores");
        assert_eq!(tied.auroc, 0.5);
    }

    #[test]
    fn answers_that_are_all_right_give_no_alarm_worth_having() {
        let found = anticipation(&[0.0, 1.0], &[false, false]).expect("scores");
        assert_eq!((found.best_f1, found.best_threshold), (0.0, 0.0));
        assert!(found.auroc.is_nan());
        assert_eq!(anticipation(&[], &[]), None);
    }
}
