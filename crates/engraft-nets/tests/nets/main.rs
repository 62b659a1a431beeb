//! Networks and their files: what they compute, what taps and deltas do to it, what is read and written.

mod bert;
mod deltas;
mod files;
mod precision;
mod reference;
mod smollm2;
mod support;
mod taps;
