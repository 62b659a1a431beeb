//! Whether what a recipe asks for fits into memory, said before the system ends the run for it.

const GIB: f64 = (1u64 << 30) as f64;

/// Refuses what needs more bytes than are free; one sentence to follow a name.
pub(super) fn check(bytes: f64) -> Result<(), String> {
    fits(bytes, free())
}

fn fits(bytes: f64, free: f64) -> Result<(), String> {
    match bytes <= free {
        true => Ok(()),
        false => Err(format!(
            "needs {:.1} GiB of memory, but {:.1} GiB are free; make it smaller",
            bytes / GIB,
            free / GIB
        )),
    }
}

/// Bytes that can be had without swapping where the system tells (Linux), a terabyte elsewhere.
fn free() -> f64 {
    let kib = || -> Option<f64> {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        let line = text
            .lines()
            .find(|line| line.starts_with("MemAvailable:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    kib().map_or(1024.0 * GIB, |kib| kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{plan::Plan, recipe::Recipe};

    #[test]
    fn a_recipe_of_absurd_sizes_is_refused_before_anything_is_made() {
        let text = "
data:
  some: { biographies: { people: 4 } }
  many: { biographies: { people: 200000000000, lists: { first_names: 6400, middle_names: 6400, last_names: 6400 } } }
  late: { biographies: { people: 2, first: 18446744073709551615 } }
models:
  deep: { gpt: { layers: 1099511627776, width: 4 } }
  wide: { llama: { hidden_size: 18446744073709551614, intermediate_size: 1, num_hidden_layers: 1, num_attention_heads: 1 } }
steps: []
";
        let recipe = Recipe::parse(text, "huge", Path::new(".")).unwrap();
        let error = Plan::resolve(&recipe, None, "cpu")
            .err()
            .unwrap()
            .to_string();
        for place in ["data.many", "models.deep", "models.wide"] {
            let line = error.lines().find(|line| line.contains(place)).unwrap();
            assert!(line.contains("GiB of memory"), "{error}");
        }
        assert!(error.contains("data.late"), "{error}");
    }

    #[test]
    fn what_fits_passes_and_what_does_not_is_told_in_gibibytes() {
        assert!(check(1.0).is_ok());
        let error = fits(3.0 * GIB, 2.0 * GIB).unwrap_err();
        assert!(error.contains("needs 3.0 GiB"), "{error}");
        assert!(check(f64::INFINITY).is_err());
    }
}
