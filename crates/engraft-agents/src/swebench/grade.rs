//! Whether an instance is resolved.

/// Tests that passed and tests that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
}

impl Counts {
    /// The share that passed, from 0 to 1; without tests 1.
    pub fn rate(self) -> f64 {
        match self.passed + self.failed {
            0 => 1.0,
            all => self.passed as f64 / all as f64,
        }
    }

    fn all_passed(self) -> bool {
        self.failed == 0
    }
}

/// How far an instance is resolved, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    No,
    /// All that passed before still passes, and some of what failed does.
    Partial,
    /// All passes.
    Full,
}

impl Resolution {
    /// As the harness writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::No => "RESOLVED_NO",
            Self::Partial => "RESOLVED_PARTIAL",
            Self::Full => "RESOLVED_FULL",
        }
    }
}

/// Grades by the tests that failed before (FAIL_TO_PASS) and those that passed (PASS_TO_PASS).
pub fn resolution(fail_to_pass: Counts, pass_to_pass: Counts) -> Resolution {
    if !pass_to_pass.all_passed() {
        Resolution::No
    } else if fail_to_pass.all_passed() {
        Resolution::Full
    } else if fail_to_pass.passed > 0 {
        Resolution::Partial
    } else {
        Resolution::No
    }
}
