//! The capacity meter beside the definitions of the paper in double precision.

use engraft_method::parity::holds;
use engraft_probe::capacity::METHOD;

#[test]
fn parity_capacity() {
    holds("capacity", METHOD.checks);
}
