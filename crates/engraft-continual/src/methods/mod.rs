//! All ways of teaching: one file each, one line here.

use crate::method::TeachEntry;

/// Declares the modules and the registry; a line is `file: Type`.
macro_rules! methods {
    ($($file:ident: $method:ident,)*) => {
        $(pub mod $file;)*

        /// Every registered method, in the order of this file.
        pub fn all() -> Vec<TeachEntry> {
            vec![$(
                TeachEntry::of::<$file::$method>(include_str!(concat!(stringify!($file), ".rs")))
            ),*]
        }
    };
}

methods! {
    full: Full,
    lora: Lora,
    kore: Kore,
    mix_cpt: MixCpt,
}

/// The method of that name.
pub fn find(name: &str) -> Option<TeachEntry> {
    all().into_iter().find(|entry| entry.method.name == name)
}
