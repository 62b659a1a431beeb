//! The agents that have been published: one file each, one line here.

use engraft_method::{Method, Settings};

pub mod experepair;

/// Every registered method, in the order of this file.
pub fn all() -> Vec<Method> {
    vec![Method {
        name: "experepair",
        verb: "repair",
        source: include_str!("methods/experepair.rs"),
        needs: &[],
        fields: experepair::ExpeRepair::fields,
        checks: &[],
    }]
}
