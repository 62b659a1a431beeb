//! Every fused operation equals its composed form, values and gradients, in `f32`; every composed
//! form equals central differences in `f64`.

mod gradients {
    pub mod adamw;
    pub mod attention;
    pub mod compare;
    pub mod halves;
    pub mod images;
    pub mod layers;
    pub mod losses;
    pub mod low_rank;
    pub mod norms;
}
