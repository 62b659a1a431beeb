//! Shares of right classes, and what a sequence of tasks did to them.

use burn::tensor::Tensor;
use engraft_nets::{Batch, IGNORE, Mode, Network, Taps};
use serde::{Deserialize, Serialize};

use crate::{Measurement, measurement::Unit};

/// The share of inputs whose most probable class is their label.
pub fn accuracy(
    name: &str,
    network: &dyn Network,
    batches: impl IntoIterator<Item = Batch>,
) -> Measurement {
    let mut right = Vec::new();
    for batch in batches {
        let logits = network
            .forward(&batch, Mode::Eval, &mut Taps::none())
            .logits;
        let best = argmax(logits.full());
        for (class, label) in best.into_iter().zip(&batch.labels) {
            if *label != IGNORE {
                right.push((right.len(), f64::from(class == *label)));
            }
        }
    }
    Measurement::mean(name, Unit::Share, &right)
}

fn argmax(logits: Tensor<2>) -> Vec<i64> {
    logits
        .argmax(1)
        .into_data()
        .convert::<i64>()
        .try_into_vec()
        .expect("just converted to i64")
}

/// Accuracies after each task of a sequence: row i is measured after learning task i, column j on
/// task j.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AccuracyMatrix {
    pub rows: Vec<Vec<f64>>,
}

impl AccuracyMatrix {
    /// Mean accuracy over all tasks after the last. `None` without rows.
    pub fn average(&self) -> Option<f64> {
        let last = self.rows.last()?;
        Some(last.iter().take(self.rows.len()).sum::<f64>() / self.rows.len() as f64)
    }

    /// Mean over earlier tasks of (accuracy at the end - accuracy just after learning).
    pub fn backward_transfer(&self) -> Option<f64> {
        self.over_earlier_tasks(|task, last| last[task] - self.rows[task][task])
    }

    /// Mean over earlier tasks of (best accuracy before the end - accuracy at the end).
    pub fn forgetting(&self) -> Option<f64> {
        self.over_earlier_tasks(|task, last| {
            let before = self.rows[..self.rows.len() - 1].iter().map(|row| row[task]);
            before.fold(f64::NEG_INFINITY, f64::max) - last[task]
        })
    }

    /// Mean over later tasks of (accuracy just before learning - `baseline` of an untrained model).
    pub fn forward_transfer(&self, baseline: &[f64]) -> Option<f64> {
        let later = self.rows.len().checked_sub(1).filter(|&count| count > 0)?;
        let gain = |task: usize| self.rows[task - 1][task] - baseline[task];
        Some((1..=later).map(gain).sum::<f64>() / later as f64)
    }

    fn over_earlier_tasks(&self, change: impl Fn(usize, &[f64]) -> f64) -> Option<f64> {
        let last = self.rows.last()?;
        let earlier = self.rows.len() - 1;
        (earlier > 0)
            .then(|| (0..earlier).map(|task| change(task, last)).sum::<f64>() / earlier as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::AccuracyMatrix;

    #[test]
    fn forgetting_and_transfer_by_hand() {
        let matrix = AccuracyMatrix {
            rows: vec![
                vec![0.9, 0.2, 0.1],
                vec![0.7, 0.8, 0.3],
                vec![0.5, 0.9, 0.6],
            ],
        };
        let near = |got: Option<f64>, want: f64| assert!((got.unwrap() - want).abs() < 1e-12);
        near(matrix.average(), (0.5 + 0.9 + 0.6) / 3.0);
        near(
            matrix.backward_transfer(),
            ((0.5 - 0.9) + (0.9 - 0.8)) / 2.0,
        );
        near(matrix.forgetting(), ((0.9 - 0.5) + (0.8 - 0.9)) / 2.0);
        near(
            matrix.forward_transfer(&[0.1, 0.1, 0.1]),
            ((0.2 - 0.1) + (0.3 - 0.1)) / 2.0,
        );
        assert_eq!(AccuracyMatrix::default().forgetting(), None);
    }
}
