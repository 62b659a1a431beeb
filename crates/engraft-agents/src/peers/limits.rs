//! When a run stops that has not come to an end.

/// Limits of one run; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunLimits {
    /// Answers of the model.
    pub steps: u64,
    /// US dollars.
    pub cost: f64,
    /// Answers in a row that do not have the form asked for.
    pub format_errors: u64,
}

impl Default for RunLimits {
    /// Those with which SWE-bench is run.
    fn default() -> Self {
        Self {
            steps: 250,
            cost: 3.0,
            format_errors: 3,
        }
    }
}

/// What a run has taken so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    pub steps: u64,
    pub cost: f64,
    pub format_errors: u64,
}

/// The limit that a run ran into. What it has done so far is still submitted.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum LimitReached {
    #[error("the run took {0} steps, its limit; raise the limit of steps")]
    Steps(u64),
    #[error("the run cost ${spent:.2} of ${limit:.2}; raise the limit of cost")]
    Cost { spent: f64, limit: f64 },
    #[error("{0} answers in a row had the wrong form; try another model")]
    FormatErrors(u64),
}

impl RunLimits {
    /// The first limit that is reached, if one is.
    pub fn reached(&self, spent: &Spent) -> Option<LimitReached> {
        if self.steps > 0 && spent.steps >= self.steps {
            Some(LimitReached::Steps(spent.steps))
        } else if self.cost > 0.0 && spent.cost >= self.cost {
            Some(LimitReached::Cost {
                spent: spent.cost,
                limit: self.cost,
            })
        } else if self.format_errors > 0 && spent.format_errors >= self.format_errors {
            Some(LimitReached::FormatErrors(spent.format_errors))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LimitReached, RunLimits, Spent};

    #[test]
    fn a_run_stops_at_each_limit_and_never_at_one_of_zero() {
        let limits = RunLimits::default();
        let spent = |steps, cost, format_errors| Spent {
            steps,
            cost,
            format_errors,
        };
        assert_eq!(limits.reached(&spent(249, 2.99, 2)), None);
        let reached = [spent(250, 0.0, 0), spent(0, 3.0, 0), spent(0, 0.0, 3)]
            .map(|spent| limits.reached(&spent));
        assert!(matches!(
            reached,
            [
                Some(LimitReached::Steps(250)),
                Some(LimitReached::Cost { .. }),
                Some(LimitReached::FormatErrors(3)),
            ]
        ));
        let none = RunLimits {
            steps: 0,
            cost: 0.0,
            format_errors: 0,
        };
        assert_eq!(none.reached(&spent(1000, 1000.0, 1000)), None);
    }
}
