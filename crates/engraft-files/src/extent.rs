//! How much a network or its files store.

/// What a network stores. Counted in `f64`, where no product of hostile sizes overflows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Extent {
    /// Named tensors, running statistics too.
    pub tensors: f64,
    /// Numbers in all of them.
    pub numbers: f64,
}

impl Extent {
    /// Of a description that can be trusted.
    pub const ANY: Self = Self {
        tensors: f64::INFINITY,
        numbers: f64::INFINITY,
    };

    /// Bytes of memory, with about a kilobyte for the name and the handle of a tensor.
    pub fn bytes(&self) -> f64 {
        4.0 * self.numbers + 1024.0 * self.tensors
    }

    /// Whether a file of this extent may hold that network. Some difference is allowed, so that a
    /// model of another size gets the error that names the tensor.
    pub fn may_hold(&self, network: Self) -> bool {
        network.tensors <= 4.0 * self.tensors + 1024.0
            && network.numbers <= 4.0 * self.numbers + 262_144.0
    }
}
