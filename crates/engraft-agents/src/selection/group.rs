//! Patches that are the same, and patches that do the same.

use std::collections::{HashMap, HashSet};

use crate::python::strings::strip;

/// Each patch once, where it comes first. White space at the ends of a patch does not count.
pub fn deduplicate<T>(items: Vec<T>, patch: impl Fn(&T) -> &str) -> Vec<T> {
    let mut seen = HashSet::new();
    let fresh: Vec<bool> = items
        .iter()
        .map(|item| seen.insert(strip(patch(item))))
        .collect();
    let items = items.into_iter().zip(fresh);
    items
        .filter_map(|(item, fresh)| fresh.then_some(item))
        .collect()
}

/// Patches after which a script printed the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What it printed: standard output and error output, each stripped.
    pub output: String,
    /// Numbers of the patches, at least one.
    pub members: Vec<usize>,
}

/// Groups patches by the standard output and the error output of a script, in the order in which
/// outputs first come.
pub fn group_by_output<'a>(outputs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut known = HashMap::new();
    for (number, (stdout, stderr)) in outputs.into_iter().enumerate() {
        let output = format!("{}\n{}", strip(stdout), strip(stderr));
        let output = strip(&output).to_owned();
        let group = *known.entry(output.clone()).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Group {
                output,
                members: Vec::new(),
            });
        }
        groups[group].members.push(number);
    }
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{deduplicate, group_by_output};

    proptest! {
        #[test]
        fn every_patch_is_in_one_group(outputs in prop::collection::vec(("[ab ]?", "[a\n]?"), 0..9)) {
            let pairs = outputs.iter().map(|(out, err)| (out.as_str(), err.as_str()));
            let mut members: Vec<usize> = group_by_output(pairs)
                .into_iter()
                .flat_map(|group| group.members)
                .collect();
            members.sort_unstable();
            prop_assert_eq!(members, (0..outputs.len()).collect::<Vec<_>>());
        }

        #[test]
        fn what_is_left_differs_and_lacks_nothing(patches in prop::collection::vec("[ab \n]{0,3}", 0..9)) {
            let left = deduplicate(patches.clone(), |patch| patch);
            let stripped: Vec<&str> = left.iter().map(|patch| patch.trim()).collect();
            for (index, patch) in stripped.iter().enumerate() {
                prop_assert!(!stripped[..index].contains(patch));
            }
            prop_assert!(patches.iter().all(|patch| stripped.contains(&patch.trim())));
        }
    }
}
