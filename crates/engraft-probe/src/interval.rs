//! How sure a mean is.
//!
//! Items get a percentile bootstrap: it needs no distribution. Where all of them agree it sees no doubt, so shares
//! of 0 and 1 get Wilson's interval.
//! Seeds are few, and a bootstrap of five numbers is too narrow, so differences over seeds get
//! Student's t interval.

use engraft_train::key;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// A confidence interval of 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// Whether 0 lies outside: a difference that is not mere chance at this level.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

const RESAMPLES: usize = 2000;

/// The bootstrap interval of the mean of values that fall into groups (facts of one person):
/// groups are drawn, not values. `None` with fewer than two groups.
///
/// `purpose` keys the draws, so the same measurement has the same interval.
pub fn bootstrap(groups: &[(usize, f64)], purpose: &str) -> Option<Interval> {
    let sums = group_sums(groups);
    if sums.len() < 2 {
        return None;
    }
    let mut rng = key::rng(0, purpose, sums.len() as u64);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let (mut sum, mut count) = (0.0, 0.0);
            for _ in 0..sums.len() {
                let (value, values) = sums[rng.random_range(0..sums.len())];
                sum += value;
                count += values;
            }
            sum / count
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[((RESAMPLES - 1) as f64 * share).round() as usize];
    Some(Interval {
        low: at(0.025),
        high: at(0.975),
    })
}

/// The interval of a share, of values 0 and 1 in groups: where all values agree Wilson's over the groups, else the
/// bootstrap's. `None` with fewer than two groups.
///
/// Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference.
pub fn share(groups: &[(usize, f64)], purpose: &str) -> Option<Interval> {
    let agreed = |value: f64| groups.iter().all(|(_, other)| *other == value);
    let sums = group_sums(groups);
    let n = sums.len() as f64;
    // What n of n leave open, by the squared 97.5 % quantile of the normal distribution.
    let open = NORMAL * NORMAL / (n + NORMAL * NORMAL);
    match sums.len() {
        0 | 1 => None,
        _ if agreed(1.0) => Some(Interval {
            low: 1.0 - open,
            high: 1.0,
        }),
        _ if agreed(0.0) => Some(Interval {
            low: 0.0,
            high: open,
        }),
        _ => bootstrap(groups, purpose),
    }
}

/// The 97.5 % quantile of the normal distribution.
const NORMAL: f64 = 1.959_964;

/// (sum, count) of every group.
fn group_sums(groups: &[(usize, f64)]) -> Vec<(f64, f64)> {
    let mut sums = std::collections::BTreeMap::<usize, (f64, f64)>::new();
    for (group, value) in groups {
        let entry = sums.entry(*group).or_default();
        entry.0 += value;
        entry.1 += 1.0;
    }
    sums.into_values().collect()
}

/// The mean of paired differences (one a seed) and its t interval, `None` below two pairs.
pub fn paired(differences: &[f64]) -> (f64, Option<Interval>) {
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n.max(1.0);
    if differences.len() < 2 {
        return (mean, None);
    }
    let variance = differences.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = t_quantile(differences.len() - 1) * (variance / n).sqrt();
    (
        mean,
        Some(Interval {
            low: mean - half,
            high: mean + half,
        }),
    )
}

/// The 97.5 % quantile of Student's t distribution.
fn t_quantile(degrees: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    match degrees {
        0 => f64::INFINITY,
        1..=30 => TABLE[degrees - 1],
        // Two terms of the expansion about the normal quantile: right to three digits from here on.
        _ => NORMAL + 2.372_27 / degrees as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bootstrap_covers_the_true_mean_about_as_often_as_it_says() {
        let mut covered = 0;
        for trial in 0..300u64 {
            let mut rng = key::rng(1, "coverage", trial);
            let values: Vec<(usize, f64)> = (0..60)
                .map(|i| (i, f64::from(rng.random_range(0..100) < 70)))
                .collect();
            let interval = bootstrap(&values, &format!("trial {trial}")).unwrap();
            covered += usize::from(interval.low <= 0.7 && 0.7 <= interval.high);
        }
        assert!((270..=297).contains(&covered), "{covered} of 300");
    }

    #[test]
    fn facts_of_one_person_do_not_count_as_independent() {
        let people: Vec<(usize, f64)> = (0..40)
            .flat_map(|person| (0..5).map(move |_| (person, f64::from(person % 2 == 0))))
            .collect();
        let alone: Vec<(usize, f64)> = people
            .iter()
            .enumerate()
            .map(|(i, (_, v))| (i, *v))
            .collect();
        let width = |values| {
            let interval = bootstrap(values, "width").unwrap();
            interval.high - interval.low
        };
        assert!(width(&people) > 1.8 * width(&alone));
    }

    #[test]
    fn a_few_that_agree_leave_more_open_than_many() {
        let all = |count: usize, value: f64| {
            let values: Vec<(usize, f64)> = (0..count).map(|item| (item, value)).collect();
            share(&values, "agreed").unwrap()
        };
        // 4 / (4 + 1.96²)
        assert!((all(4, 1.0).low - 0.510).abs() < 1e-3);
        assert_eq!(all(4, 1.0).high, 1.0);
        assert_eq!(all(4, 0.0).low, 0.0);
        assert!((all(500, 0.0).high - 0.0076).abs() < 1e-4);
        let mixed = [(0, 1.0), (1, 0.0), (2, 1.0)];
        assert_eq!(share(&mixed, "mixed"), bootstrap(&mixed, "mixed"));
        assert_eq!(share(&[(0, 1.0), (0, 1.0)], "one group"), None);
    }

    #[test]
    fn five_seeds_get_students_t_and_one_seed_gets_no_interval() {
        let (mean, interval) = paired(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        let interval = interval.unwrap();
        assert_eq!(mean, 3.0);
        // 2.776 * sqrt(2.5 / 5)
        assert!((interval.high - 3.0 - 1.963).abs() < 1e-3);
        assert!(interval.excludes_zero());
        assert_eq!(paired(&[2.0]).1, None);
        assert!(bootstrap(&[(0, 1.0), (0, 0.0)], "one group").is_none());
    }
}
