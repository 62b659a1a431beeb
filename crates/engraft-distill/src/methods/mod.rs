//! All distillation methods: one file each, one line here.

use crate::method::Entry;

/// Declares the modules and the registry; a line is `file: Type`.
macro_rules! methods {
    ($($file:ident: $method:ident,)*) => {
        $(pub mod $file;)*

        /// Every registered method, in the order of this file.
        pub fn all() -> Vec<Entry> {
            vec![$(Entry::of::<$file::$method>(include_str!(concat!(stringify!($file), ".rs")))),*]
        }
    };
}

methods! {
    kl: Kl,
    reverse_kl: ReverseKl,
    symmetric_kl: SymmetricKl,
    jsd: Jsd,
    skew_kl: SkewKl,
    skew_reverse_kl: SkewReverseKl,
    total_variation: TotalVariation,
    adaptive_kl: AdaptiveKl,
    hinton: Hinton,
    dkd: Dkd,
    ctkd: Ctkd,
    taid: Taid,
    label_smoothing: LabelSmoothing,
    fitnets: FitNets,
    rkd: Rkd,
    similarity: Similarity,
    pkt: Pkt,
    crd: Crd,
}

/// The method of that name.
pub fn find(name: &str) -> Option<Entry> {
    all().into_iter().find(|entry| entry.method.name == name)
}
