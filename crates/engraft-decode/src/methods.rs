//! All decoding methods: one file each, one line here.

use crate::method::DecodeEntry;

/// Declares the modules and the registry; a line is `file: Type`.
macro_rules! methods {
    ($($file:ident: $method:ident,)*) => {
        $(pub mod $file;)*

        /// Every registered method, in the order of this file.
        pub fn all() -> Vec<DecodeEntry> {
            vec![$(
                DecodeEntry::of::<$file::$method>(include_str!(
                    concat!("methods/", stringify!($file), ".rs")
                ))
            ),*]
        }
    };
}

methods! {
    greedy: Greedy,
    sample: Sample,
    beam: Beam,
    cad: Cad,
    cd: Cd,
    dola: Dola,
    ck_plug: CkPlug,
    coda: Coda,
    overshadow: Overshadow,
    lfd: Lfd,
    grad: Grad,
    opera: Opera,
    ph3: Ph3,
    kid: Kid,
}

/// The method of that name.
pub fn find(name: &str) -> Option<DecodeEntry> {
    all().into_iter().find(|entry| entry.method.name == name)
}
