//! All checks beside reference numbers in one list.

use engraft_method::parity::Check;

/// The checks of this crate, for `experepair` and `agent-baselines`. Both folders hold kinds that other
/// crates answer.
pub fn checks() -> Vec<Check> {
    let checks = [
        crate::retrieval::CHECKS,
        crate::episodic::CHECKS,
        crate::insights::CHECKS,
        crate::entities::CHECKS,
    ];
    checks.concat()
}
