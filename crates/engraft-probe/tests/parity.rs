//! The capacity meter beside the definitions of the paper in double precision.

use engraft_method::parity::{folder, run};
use engraft_probe::capacity::METHOD;

#[test]
fn parity_capacity() {
    let report = run(&folder(), "capacity", METHOD.checks).expect("readable cases");
    println!("capacity: {} cases", report.cases);
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    if std::env::var_os("ENGRAFT_PARITY").is_none() {
        assert!(
            report.cases > 0,
            "the repository carries cases for capacity"
        );
    }
}
