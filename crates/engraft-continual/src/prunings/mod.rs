//! All rules that prune an update: one file each, one line here.

use crate::pruning::PruneEntry;

/// Declares the modules and the registry; a line is `file: Type`.
macro_rules! prunings {
    ($($file:ident: $rule:ident,)*) => {
        $(pub mod $file;)*

        /// Every registered rule, in the order of this file.
        pub fn all() -> Vec<PruneEntry> {
            vec![$(
                PruneEntry::of::<$file::$rule>(include_str!(concat!(stringify!($file), ".rs")))
            ),*]
        }
    };
}

prunings! {
    ignore_topk: IgnoreTopk,
    random_drop: RandomDrop,
    shrink: Shrink,
}

/// The rule of that name.
pub fn find(name: &str) -> Option<PruneEntry> {
    all().into_iter().find(|entry| entry.method.name == name)
}

/// One sentence if a share does not lie from 0 to 1.
pub(crate) fn share(fraction: f64) -> Result<(), String> {
    match (0.0..=1.0).contains(&fraction) {
        true => Ok(()),
        false => Err(format!("fraction is {fraction}; it must lie from 0 to 1")),
    }
}
