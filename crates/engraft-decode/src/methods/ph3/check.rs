//! PH3 beside reference numbers, on a model without attention: what its heads give is in the case.

use engraft_method::parity::{Case, ParityError};

use super::{
    Silenced,
    patching::{self, Conflict, Measure, Outputs, variants},
};
use crate::{Models, Pasts, Session, heads::ranking, reference};

/// Exchanges every head of the case's model.
pub(super) fn path_patch(case: &mut Case) -> Result<(), ParityError> {
    let heads = case.number("heads")? as usize;
    let head_width = case.number("head_dim")? as usize;
    let (memory, context) = (
        case.number("memory_token")? as u32,
        case.number("context_token")? as u32,
    );
    let toy = Toy::of(case)?;
    let by_block = |name: &str| -> Result<Vec<Vec<f64>>, ParityError> {
        let blocks = case.input(name)?.values.chunks_exact(heads * head_width);
        Ok(blocks.map(<[f64]>::to_vec).collect())
    };
    let outputs = Outputs {
        clean: by_block("z_clean")?,
        corrupted: by_block("z_corrupt")?,
        head_width,
    };
    let variants = variants(outputs.clean.len(), heads);
    let logits = toy.replay(&variants, &outputs);
    let (clean, patched) = logits.split_at(1);
    // The scores of these cases are of probabilities.
    let preference = |row: &Vec<f64>| Measure::Probabilities.of(row, memory, context);
    let scores: Vec<f64> = patched
        .iter()
        .map(|row| preference(row) - preference(&clean[0]))
        .collect();

    case.output("logits_clean", clean[0].iter().copied());
    case.output("logits_patched", patched.concat());
    let ranking = ranking(&scores);
    case.output("ranking", ranking.into_iter().map(|place| place as f64));
    case.output("score", scores);
    Ok(())
}

/// Scores of a real model's heads, and what silencing one does.
pub(super) fn score_heads(case: &mut Case) -> Result<(), ParityError> {
    let pruned = (
        case.number("pruned_block")? as usize,
        case.number("pruned_head")? as usize,
    );
    let model = reference::model()?;
    let (clean, corrupted) = (
        reference::ids(case, "clean_ids")?,
        reference::ids(case, "corrupt_ids")?,
    );
    let answers = reference::ids(case, "memory_context_tokens")?;
    let conflict = Conflict {
        clean: &clean,
        corrupted: &corrupted,
        memory: answers[0],
        context: answers[1],
    };
    let failed = |problem: &dyn std::fmt::Display| ParityError::Computation(problem.to_string());
    for (name, measure) in [
        ("score_logit", Measure::Logits),
        ("score_prob", Measure::Probabilities),
    ] {
        let scores = patching::score_heads(model, &[conflict], measure);
        case.output(name, scores.map_err(|problem| failed(&problem))?);
    }
    for (name, heads) in [("clean", vec![]), ("pruned_23_4", vec![pruned])] {
        let mut silenced = Silenced { heads };
        let models = Models {
            model,
            amateur: None,
        };
        let prompt = reference::prompt(&clean, None);
        let pasts = Pasts::default();
        let mut session = Session::new(models, &prompt, &mut silenced, &pasts)
            .map_err(|problem| failed(&problem))?;
        let logits = session.scores().map_err(|problem| failed(&problem))?.scores;
        let best = crate::answer::best(&logits, 20);
        case.output(
            format!("{name}_top20_ids"),
            best.iter().map(|(id, _)| f64::from(*id)),
        );
        case.output(
            format!("{name}_top20"),
            best.iter().map(|(_, logit)| f64::from(*logit)),
        );
    }
    Ok(())
}

/// One position on its way through the blocks: output projections, gated MLPs and norms.
struct Toy {
    embedding: Vec<f64>,
    blocks: Vec<Block>,
    final_norm: Vec<f64>,
    head: Vec<f64>,
    eps: f64,
}

/// Matrices `[out, in]`.
struct Block {
    o: Vec<f64>,
    gate: Vec<f64>,
    up: Vec<f64>,
    down: Vec<f64>,
    norm: Vec<f64>,
}

impl Toy {
    fn of(case: &Case) -> Result<Self, ParityError> {
        let values = |name: &str| case.input(name).map(|tensor| tensor.values.clone());
        let count = case.input("Wo")?.shape[0];
        let part = |name: &str, block: usize| -> Result<Vec<f64>, ParityError> {
            let all = &case.input(name)?.values;
            let size = all.len() / count;
            Ok(all[block * size..(block + 1) * size].to_vec())
        };
        let block = |block: usize| -> Result<Block, ParityError> {
            Ok(Block {
                o: part("Wo", block)?,
                gate: part("gate", block)?,
                up: part("up", block)?,
                down: part("down", block)?,
                norm: part("ln", block)?,
            })
        };
        Ok(Self {
            embedding: values("x0")?,
            blocks: (0..count).map(block).collect::<Result<_, _>>()?,
            final_norm: values("final_norm")?,
            head: values("U")?,
            eps: case.number("rms_eps")?,
        })
    }

    /// Logits `[variants][vocab]`.
    fn replay(&self, variants: &[Option<(usize, usize)>], outputs: &Outputs<f64>) -> Vec<Vec<f64>> {
        let mut rows = vec![self.embedding.clone(); variants.len()];
        for (index, block) in self.blocks.iter().enumerate() {
            let width = outputs.clean[index].len();
            let mut given = vec![0.0; variants.len() * width];
            outputs.fill(index, variants, &mut given);
            for (x, heads) in rows.iter_mut().zip(given.chunks_exact(width)) {
                add(x, &times(&block.o, heads));
                let normed = self.norm(x, &block.norm);
                let gate = times(&block.gate, &normed);
                let up = times(&block.up, &normed);
                let gated = gate
                    .iter()
                    .zip(up)
                    .map(|(g, up)| g / (1.0 + (-g).exp()) * up);
                add(x, &times(&block.down, &gated.collect::<Vec<f64>>()));
            }
        }
        let logits = |x: &Vec<f64>| times(&self.head, &self.norm(x, &self.final_norm));
        rows.iter().map(logits).collect()
    }

    fn norm(&self, x: &[f64], weight: &[f64]) -> Vec<f64> {
        let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        let factor = 1.0 / (mean + self.eps).sqrt();
        x.iter().zip(weight).map(|(x, w)| x * factor * w).collect()
    }
}

/// `W x`.
fn times(matrix: &[f64], x: &[f64]) -> Vec<f64> {
    let rows = matrix.chunks_exact(x.len());
    rows.map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum())
        .collect()
}

fn add(x: &mut [f64], more: &[f64]) {
    x.iter_mut().zip(more).for_each(|(x, more)| *x += more);
}
