//! A number with everything that must stand beside it.

use engraft_nets::Network;
use serde::{Deserialize, Serialize};

use crate::{Interval, bootstrap, interval::share};

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What was measured, in words: `questions never asked about`.
    pub probe: String,
    pub value: f64,
    /// Number of items (or seeds) behind the value.
    pub n: usize,
    /// 95 %, over groups of items where items belong together.
    pub interval: Option<Interval>,
    pub unit: Unit,
    /// Measured on data the model was trained on.
    pub on_training_data: bool,
}

/// How a value reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// From 0 to 1, shown in percent.
    Share,
    /// A difference of shares or probabilities, shown in percentage points.
    Points,
    /// Natural logarithm of a probability.
    Nats,
    Perplexity,
    Bits,
    /// Decimal logarithm of a ratio.
    Log10,
}

impl Measurement {
    /// The mean of values in groups, with its interval (see [`crate::interval`]) keyed by the probe's name.
    pub fn mean(probe: impl Into<String>, unit: Unit, values: &[(usize, f64)]) -> Self {
        let probe = probe.into();
        let sum: f64 = values.iter().map(|(_, value)| value).sum();
        Self {
            value: sum / values.len().max(1) as f64,
            n: values.len(),
            interval: match unit {
                Unit::Share => share(values, &probe),
                _ => bootstrap(values, &probe),
            },
            unit,
            on_training_data: false,
            probe,
        }
    }

    /// Marks a value as measured on training data: recitation, not use.
    #[must_use]
    pub fn on_training_data(mut self) -> Self {
        self.on_training_data = true;
        self
    }

    /// `97.0 %`, `2.31 nats`.
    pub fn shown(&self) -> String {
        show(self.value, self.unit)
    }

    /// The same where no name stands beside it: `perplexity 25.54`.
    pub fn named(&self) -> String {
        match self.unit {
            Unit::Perplexity => format!("perplexity {}", self.shown()),
            _ => self.shown(),
        }
    }

    /// `95.1 % to 98.4 %`, or nothing.
    pub fn shown_interval(&self) -> String {
        self.interval.map_or_else(String::new, |interval| {
            format!(
                "{} to {}",
                show(interval.low, self.unit),
                show(interval.high, self.unit)
            )
        })
    }
}

/// A value with its unit.
pub fn show(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Share => format!("{:.1} %", value * 100.0),
        Unit::Points => format!("{:+.2} pp", value * 100.0),
        Unit::Nats => format!("{value:.3} nats"),
        Unit::Perplexity => format!("{value:.2}"),
        Unit::Bits => format!("{value:.0} bits"),
        Unit::Log10 => format!("{value:+.2} log10"),
    }
}

/// Something that can be measured on a network.
pub trait Probe {
    /// One or several values of one pass over the probe's data.
    fn measure(&self, network: &dyn Network) -> Vec<Measurement>;
}
