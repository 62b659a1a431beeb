//! The learning rate over a run: linear warm-up, then constant, linear or cosine.

use std::f64::consts::PI;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Half a cosine down to the smallest rate.
    #[default]
    Cosine,
    /// A straight line down to the smallest rate.
    Linear,
    /// No change.
    Constant,
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cosine => "cosine",
            Self::Linear => "linear",
            Self::Constant => "constant",
        })
    }
}

impl Schedule {
    /// The factor on the peak rate at optimiser step `step` (from 0) of `total`.
    ///
    /// The warm-up rises from `1 / warmup` at step 0 to 1 at its last step; the fall reaches
    /// `floor` (the smallest rate as a share of the peak) at the last step of the run.
    pub fn factor(self, step: usize, total: usize, warmup: usize, floor: f64) -> f64 {
        if step < warmup {
            return (step + 1) as f64 / warmup as f64;
        }
        let span = total.saturating_sub(warmup + 1).max(1) as f64;
        let done = ((step - warmup) as f64 / span).min(1.0);
        match self {
            Self::Constant => 1.0,
            Self::Linear => 1.0 - (1.0 - floor) * done,
            Self::Cosine => floor + (1.0 - floor) * 0.5 * (1.0 + (PI * done).cos()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_rises_to_the_peak_and_the_fall_ends_at_the_floor() {
        for schedule in [Schedule::Cosine, Schedule::Linear] {
            let at = |step| schedule.factor(step, 100, 10, 0.1);
            assert!((at(0) - 0.1).abs() < 1e-12);
            assert_eq!(at(9), 1.0);
            assert_eq!(at(10), 1.0);
            assert!((at(99) - 0.1).abs() < 1e-12);
            assert!((10..99).all(|step| at(step + 1) < at(step)));
        }
    }

    #[test]
    fn a_cosine_is_half_way_in_the_middle() {
        assert!((Schedule::Cosine.factor(50, 101, 0, 0.0) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_run_of_one_step_and_a_warm_up_longer_than_the_run_have_finite_rates() {
        assert_eq!(Schedule::Cosine.factor(0, 1, 0, 0.0), 1.0);
        assert_eq!(Schedule::Cosine.factor(3, 4, 8, 0.0), 0.5);
        assert_eq!(Schedule::Constant.factor(3, 4, 0, 0.0), 1.0);
    }
}
