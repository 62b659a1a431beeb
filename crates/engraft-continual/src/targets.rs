//! Which parts of a network a method changes.

use clap::Args;
use engraft_nets::{Delta, Linear, Network};
use engraft_train::fits;
use serde::{Deserialize, Serialize};

/// Linear layers by name and by block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
#[serde(default)]
pub struct Targets {
    /// Linear layers to adapt: name patterns separated by commas, `*` stands for any run of
    /// characters: `*.q_proj,*.v_proj`.
    #[arg(long, default_value_t = Self::default().modules)]
    pub modules: String,
    /// Only in so many of the last blocks; 0 stands for all.
    #[arg(long, default_value_t = Self::default().last_blocks)]
    pub last_blocks: usize,
}

impl Default for Targets {
    fn default() -> Self {
        Self {
            modules: "*".to_owned(),
            last_blocks: 0,
        }
    }
}

impl Targets {
    /// The layers, in the order of the file.
    pub fn choose<'n>(&self, network: &'n mut dyn Network) -> Vec<&'n mut Linear> {
        let blocks = network.capabilities().blocks;
        let layers = network.linears_mut().into_iter();
        layers
            .filter(|layer| self.holds(layer.module(), blocks))
            .collect()
    }

    fn holds(&self, module: &str, blocks: usize) -> bool {
        let mut patterns = self.modules.split(',').map(str::trim);
        patterns.any(|pattern| fits(pattern, module)) && in_last(module, self.last_blocks, blocks)
    }

    /// One sentence where a pattern fits nothing, or a delta of this rank does not fit a layer it is
    /// meant for. `largest` is the largest rank for a weight `[out, in]`.
    pub fn check(
        &self,
        network: &dyn Network,
        rank: usize,
        largest: fn([usize; 2]) -> usize,
    ) -> Result<(), String> {
        let mut copy = network.boxed_clone();
        let mut names = copy
            .linears_mut()
            .into_iter()
            .map(|layer| layer.module().to_owned());
        let example = names.next_back().unwrap_or_default();
        let names: Vec<String> = names.collect();
        for pattern in self.modules.split(',').map(str::trim) {
            if !names
                .iter()
                .chain([&example])
                .any(|name| fits(pattern, name))
            {
                return Err(format!(
                    "modules: `{pattern}` fits no linear layer; their names look like `{example}`"
                ));
            }
        }
        check_blocks(self.last_blocks, network)?;
        let chosen = self.choose(&mut *copy);
        if chosen.is_empty() {
            return Err(format!(
                "modules `{}` fit no linear layer of the last {} blocks; choose others",
                self.modules, self.last_blocks
            ));
        }
        for layer in chosen {
            let [out, input] = layer.shape();
            let most = largest([out, input]);
            if rank == 0 || rank > most {
                return Err(format!(
                    "rank is {rank}, but `{}` is a matrix of {out} x {input}; choose a rank from 1 \
                     to {most}, or other modules",
                    layer.module()
                ));
            }
        }
        Ok(())
    }

    /// Freezes the network and attaches what `delta` makes for each layer.
    pub fn attach(
        &self,
        network: &mut dyn Network,
        name: &str,
        mut delta: impl FnMut(&Linear) -> Result<(f32, Delta), String>,
    ) -> Result<usize, String> {
        for parameter in network.parameters_mut() {
            parameter.trainable = false;
        }
        let layers = self.choose(network);
        let count = layers.len();
        for layer in layers {
            let (factor, delta) = delta(layer)?;
            layer
                .attach(name, factor, delta)
                .map_err(|error| error.to_string())?;
        }
        Ok(count)
    }
}

/// One sentence where a network has not so many blocks.
pub fn check_blocks(last_blocks: usize, network: &dyn Network) -> Result<(), String> {
    let capabilities = network.capabilities();
    let blocks = capabilities.blocks;
    if last_blocks > 0 && !capabilities.causal_lm {
        let problem = "last_blocks counts the blocks of language models; leave it out";
        return Err(problem.to_owned());
    }
    match last_blocks > blocks {
        true => Err(format!(
            "last_blocks is {last_blocks}, the model has {blocks}; 0 stands for all"
        )),
        false => Ok(()),
    }
}

/// Whether a parameter or module stands in one of the last blocks; 0 holds everything.
pub fn in_last(name: &str, last_blocks: usize, blocks: usize) -> bool {
    let first = blocks.saturating_sub(last_blocks);
    last_blocks == 0 || block(name).is_some_and(|block| block >= first)
}

/// The number of the block that a name stands in: `model.layers.7.mlp.up_proj` is in block 7.
fn block(name: &str) -> Option<usize> {
    name.split('.').find_map(|part| part.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_blocks_choose_together() {
        let targets = Targets {
            modules: "*.q_proj, *.o_proj".to_owned(),
            last_blocks: 2,
        };
        assert!(targets.holds("model.layers.9.self_attn.q_proj", 10));
        assert!(targets.holds("model.layers.8.self_attn.o_proj", 10));
        assert!(!targets.holds("model.layers.7.self_attn.q_proj", 10));
        assert!(!targets.holds("model.layers.9.self_attn.k_proj", 10));
        assert!(Targets::default().holds("model.layers.0.mlp.up_proj", 10));
        assert!(!in_last("model.norm.weight", 2, 10));
        assert!(in_last("model.norm.weight", 0, 10));
    }
}
