//! What a run reports while it trains: one point every few steps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One point of the curves of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Optimiser steps done.
    pub step: usize,
    /// Mean loss of the steps since the point before.
    pub loss: f64,
    /// Learning rate of the last of these steps.
    pub lr: f64,
    /// Norm of the whole gradient of the last step, before clipping.
    pub gradient_norm: f64,
    /// Positions or images trained on so far.
    pub tokens: u64,
    /// Time spent training so far, in seconds; earlier sessions of a resumed run included.
    pub seconds: f64,
    /// Mean cross-entropy on the held-out batches, where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<f64>,
    /// Parts of the loss of the last step, and the loss's own scalars.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, f64>,
}

impl Point {
    /// Everything worth a curve, by name.
    pub fn scalars(&self) -> Vec<(&str, f64)> {
        let mut scalars = vec![
            ("loss", self.loss),
            ("lr", self.lr),
            ("gradient_norm", self.gradient_norm),
        ];
        scalars.extend(self.held_out.map(|value| ("held_out", value)));
        let parts = self.parts.iter();
        scalars.extend(parts.map(|(name, value)| (name.as_str(), *value)));
        scalars
    }

    /// The same point without the clock: equal for equal runs.
    pub fn timeless(&self) -> Self {
        Self {
            seconds: 0.0,
            ..self.clone()
        }
    }
}

/// The points of a run in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    pub points: Vec<Point>,
}

impl Curve {
    /// (step, value) of one scalar, for a plot.
    pub fn series(&self, name: &str) -> Vec<(f64, f64)> {
        let value = |point: &Point| {
            let scalars = point.scalars();
            let found = scalars.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (point.step as f64, *value))
        };
        self.points.iter().filter_map(value).collect()
    }

    /// The names of all scalars that appear, in order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (name, _) in self.points.iter().flat_map(Point::scalars) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }
}
