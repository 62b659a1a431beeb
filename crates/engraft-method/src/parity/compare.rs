//! Computed outputs against expected ones, element by element.

use super::Case;

/// All that differs: one line for each tensor that is missing, of another length, or has a number
/// outside `abs + rel * |want|`.
pub fn compare(case: &Case) -> Vec<String> {
    let place = format!("{} {}", case.slug, case.name);
    let mut failures: Vec<String> = case
        .unread()
        .into_iter()
        .map(|key| format!("{place}: no check reads the hyperparameter `{key}`"))
        .collect();
    for name in case.computed.keys() {
        if !case.expected.contains_key(name) {
            failures.push(format!(
                "{place}: computed `{name}`, which the case does not list"
            ));
        }
    }
    for (name, (want, tolerance)) in &case.expected {
        let Some(got) = case.computed.get(name) else {
            failures.push(format!("{place}: no method computes `{name}`"));
            continue;
        };
        if got.len() != want.values.len() {
            failures.push(format!(
                "{place} {name}: {} numbers, expected shape {:?}",
                got.len(),
                want.shape
            ));
            continue;
        }
        let mut wrong = 0;
        for (index, (&got, &want_value)) in got.iter().zip(&want.values).enumerate() {
            let bound = if want.integer {
                0.0
            } else {
                tolerance.abs + tolerance.rel * want_value.abs()
            };
            if within(got, want_value, bound) {
                continue;
            }
            wrong += 1;
            if wrong <= 3 {
                failures.push(format!(
                    "{place} {name}[{index}]: got {got:e}, want {want_value:e}, bound {bound:e}"
                ));
            }
        }
        if wrong > 3 {
            failures.push(format!(
                "{place} {name}: {wrong} of {} numbers differ",
                got.len()
            ));
        }
    }
    failures
}

fn within(got: f64, want: f64, bound: f64) -> bool {
    if want.is_infinite() || got.is_infinite() {
        return got == want;
    }
    if want.is_nan() {
        return got.is_nan();
    }
    (got - want).abs() <= bound
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn nan_never_passes_for_a_number_and_infinities_are_exact() {
        assert!(!within(f64::NAN, 1.0, 10.0));
        assert!(!within(1e30, f64::INFINITY, f64::INFINITY));
        assert!(within(f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0));
        assert!(within(1.0 + 1e-7, 1.0, 1e-6));
        assert!(!within(1.0 + 1e-5, 1.0, 1e-6));
    }
}
