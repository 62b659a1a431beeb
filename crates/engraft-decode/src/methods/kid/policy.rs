//! The gradient steps on the cache: more probability for wanted tokens, near the model's own.

use engraft_runtime::{CacheGradient, RuntimeError};

use super::Kid;
use crate::logits::{Real, log_softmax, log_sum_exp};

/// Added to probabilities that are not above it, before logarithms.
const SMALL: f32 = 1e-15;

/// What the steps aim at.
pub struct Policy<'a> {
    /// For each wanted token how often it is wanted.
    wanted: Vec<(usize, f32)>,
    /// Logarithms of the model's own probabilities, with [`SMALL`].
    own: Vec<f32>,
    settings: &'a Kid,
}

/// How far a distribution is from the aim.
pub struct Loss {
    pub value: f32,
    /// Kullback-Leibler divergence from the model's own distribution, in nats.
    pub divergence: f32,
    /// Probability of the wanted tokens; one that is wanted twice counts twice.
    pub mass: f32,
    /// Derivatives by the logits, `[vocab]`.
    pub slope: Vec<f32>,
}

/// A logarithm of a probability after [`SMALL`] was added, where it is.
fn raised(log: f32) -> f32 {
    let least = SMALL.ln();
    match log > least {
        true => log,
        false => (log.exp() + SMALL).ln(),
    }
}

impl<'a> Policy<'a> {
    /// From the logits `[vocab]` of the unchanged model.
    pub fn new(own: &[f32], wanted: &[u32], settings: &'a Kid) -> Self {
        let mut counts = std::collections::BTreeMap::new();
        for &token in wanted.iter().filter(|token| (**token as usize) < own.len()) {
            *counts.entry(token as usize).or_insert(0.0) += 1.0;
        }
        Self {
            wanted: counts.into_iter().collect(),
            own: log_softmax(own).into_iter().map(raised).collect(),
            settings,
        }
    }

    /// The loss of logits `[vocab]`.
    pub fn loss(&self, logits: &[f32]) -> Loss {
        let logs = log_softmax(logits);
        // The share of each wanted token in their mass, from logarithms: the mass may be too small
        // for a number.
        let counted =
            |&(token, count): &(usize, f32)| f64::from(logs[token]) + f64::from(count).ln();
        let parts: Vec<f64> = self.wanted.iter().map(counted).collect();
        let log_mass = log_sum_exp(&parts);

        let mut slope = logs.clone();
        f32::exp_all(&mut slope);
        let away = |log: f32, own: f32| raised(log) - own;
        let pairs = || slope.iter().zip(logs.iter().zip(&self.own));
        let mean: f64 = pairs()
            .map(|(p, (log, own))| f64::from(p * away(*log, *own)))
            .sum();
        let divergence: f64 = pairs()
            .map(|(p, (log, own))| {
                let p = if *p > SMALL { *p } else { p + SMALL };
                f64::from(p * away(*log, *own))
            })
            .sum();
        let scale = self.settings.kl_scale;
        for (p, (log, own)) in slope.iter_mut().zip(logs.iter().zip(&self.own)) {
            *p += scale * *p * (away(*log, *own) - mean as f32);
        }
        if log_mass.is_finite() {
            for (&(token, _), part) in self.wanted.iter().zip(&parts) {
                slope[token] -= (part - log_mass).exp() as f32;
            }
        }
        Loss {
            value: (f64::from(scale) * divergence - log_mass) as f32,
            divergence: divergence as f32,
            mass: log_mass.exp() as f32,
            slope,
        }
    }

    /// What to add to the cache before `token` is read; begins at `shift`.
    ///
    /// # Errors
    /// As [`CacheGradient::gradient`].
    pub fn shift<M: CacheGradient>(
        &self,
        model: &M,
        past: &M::Past,
        mut shift: Vec<Vec<f32>>,
        token: u32,
    ) -> Result<Vec<Vec<f32>>, RuntimeError> {
        let mut largest = vec![0.0f64; shift.len()];
        for _ in 0..self.settings.kid_steps {
            let slope = &mut |logits: &[f32]| self.loss(logits).slope;
            let gradient = model.gradient(past, &shift, token, slope)?;
            for ((shift, gradient), largest) in shift.iter_mut().zip(gradient).zip(&mut largest) {
                let norm = norm(&gradient);
                *largest = largest.max(norm + f64::from(SMALL));
                let length = self.step(norm, *largest);
                for (shift, slope) in shift.iter_mut().zip(gradient) {
                    *shift -= length * slope;
                }
            }
        }
        Ok(shift)
    }

    /// What a gradient of this norm is multiplied with, after the largest norm so far.
    fn step(&self, norm: f64, largest: f64) -> f32 {
        let Kid {
            step_size,
            gamma,
            max_step,
            ..
        } = *self.settings;
        let factor = f64::from(step_size) / largest.powf(gamma.into());
        let most = f64::from(max_step) * f64::from(step_size);
        let cut = if factor * norm > most {
            most / norm
        } else {
            factor
        };
        // The factor of a gradient that is nearly nothing is beyond numbers.
        if cut.is_finite() { cut as f32 } else { 0.0 }
    }
}

fn norm(gradient: &[f32]) -> f64 {
    let squares = gradient.iter().map(|&slope| f64::from(slope).powi(2));
    squares.sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kid_slopes_are_the_differences_of_the_loss() {
        let settings = Kid {
            kl_scale: 0.5,
            ..Kid::default()
        };
        let policy = Policy::new(&[0.3, -0.2, 1.0, 0.1], &[1, 3, 3], &settings);
        let logits = [0.1, 0.4, 0.9, -0.6];
        for (token, slope) in policy.loss(&logits).slope.into_iter().enumerate() {
            let moved = |by: f32| {
                let mut logits = logits;
                logits[token] += by;
                policy.loss(&logits).value
            };
            let difference = (moved(0.01) - moved(-0.01)) / 0.02;
            assert!((slope - difference).abs() < 1e-3, "{token}");
        }
    }

    #[test]
    fn kid_wanting_a_token_twice_counts_it_twice() {
        let settings = Kid::default();
        let policy = Policy::new(&[0.0, 0.0], &[0, 0, 1], &settings);
        let loss = policy.loss(&[0.0, 0.0]);
        assert!((loss.mass - 1.5).abs() < 1e-6);
        assert!(loss.value < 0.0);
        assert!(loss.divergence.abs() < 1e-6);
    }

    #[test]
    fn kid_wanted_tokens_without_probability_still_pull() {
        let settings = Kid::default();
        let own = [200.0, 0.0, f32::NEG_INFINITY];
        let slope = Policy::new(&own, &[1], &settings).loss(&own).slope;
        assert!((slope[1] + 1.0).abs() < 1e-5 && slope[0] > 0.9);
        let impossible = Policy::new(&own, &[2, 99], &settings).loss(&own);
        assert!(impossible.slope.iter().all(|slope| slope.is_finite()));
    }

    #[test]
    fn kid_steps_are_cut_where_the_gradient_is_small() {
        let settings = Kid::default();
        let policy = Policy::new(&[0.0, 0.0], &[0], &settings);
        let length = |norm: f64| f64::from(policy.step(norm, norm)) * norm;
        assert!((length(1.0) - 0.01).abs() < 1e-6);
        assert!((length(0.25) - 0.02).abs() < 1e-6);
        assert!((length(1e-12) - 0.1).abs() < 1e-6);
        assert_eq!(length(0.0), 0.0);
    }
}
