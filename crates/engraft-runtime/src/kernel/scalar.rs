//! The twin of the vector kernels in plain Rust.

use super::Tile;
use crate::packed::{BLOCK, ROWS, code, scales};

pub(super) fn products(tile: &Tile<'_>, rows: usize, out: &mut dyn FnMut(usize, &[[f32; ROWS]])) {
    for row in 0..rows {
        let mut found = [0.0; ROWS];
        for (at, block) in tile.group.chunks_exact(tile.codes.block()).enumerate() {
            let place = row * tile.blocks + at;
            let activations = &tile.activations[place * BLOCK..(place + 1) * BLOCK];
            let (scale, sum) = (tile.scales[place], tile.sums[place]);
            for (lane, found) in found.iter_mut().enumerate() {
                let products = activations.iter().enumerate().map(|(column, &x)| {
                    i32::from(code(tile.codes, block, lane, column)) * i32::from(x)
                });
                let dot = products.sum::<i32>();
                let (weight, minimum) = scales(tile.codes, block, lane);
                *found += weight * scale * dot as f32 + minimum * sum;
            }
        }
        out(row, &[found]);
    }
}
