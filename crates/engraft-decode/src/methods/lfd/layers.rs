//! The choice of a layer in a real model.

use engraft_method::parity::{Case, ParityError};
use engraft_runtime::{CausalLm, Site};

use super::{Lfd, divergence, fuse, head, least};
use crate::{
    Models, Pasts, Session, Steering, Step, Told,
    answer::best,
    logits::{argmax, log_softmax},
    reference,
};

/// Copies the states around every block's MLP.
struct Look {
    blocks: usize,
    states: Vec<Vec<f32>>,
}

impl Steering for Look {
    fn sites(&self) -> Vec<Site> {
        let both = |block| [Site::Middle(block), Site::After(block)];
        (0..self.blocks).flat_map(both).collect()
    }

    fn scores(&mut self, step: &Step<'_>, _scores: &mut [f32]) -> Told {
        self.states = step.states.to_vec();
        Told::default()
    }
}

pub(super) fn parity(case: &mut Case) -> Result<(), ParityError> {
    let alpha = case.number("alpha")? as f32;
    let candidates: Vec<usize> = case
        .numbers("candidate_layers")?
        .into_iter()
        .map(|layer| layer as usize)
        .collect();
    // The model's file says the same.
    case.number("rms_eps")?;
    let model = reference::model()?;
    let shape = model.shape();
    let ids = reference::ids(case, "ids")?;
    let failed = |problem: crate::AnswerError| ParityError::Computation(problem.to_string());
    let mut look = Look {
        blocks: shape.blocks,
        states: Vec::new(),
    };
    let models = Models {
        model,
        amateur: None,
    };
    let prompt = reference::prompt(&ids, None);
    let mut session =
        Session::new(models, &prompt, &mut look, &Pasts::default()).map_err(failed)?;
    let logits = session.scores().map_err(failed)?.scores;
    drop(session);

    let exits: Vec<Vec<f32>> = look.states.iter().map(|state| model.lens(state)).collect();
    let scores: Vec<f32> = exits
        .chunks(2)
        .map(|both| divergence(&both[0], &both[1]))
        .collect();
    let competing: Vec<f32> = candidates.iter().map(|&layer| scores[layer]).collect();
    let layer = candidates[least(&competing)];
    let tokens = head(&logits, alpha);
    let mut fused = vec![0.0; shape.vocab];
    let exit = log_softmax(&exits[2 * layer + 1]);
    fuse(
        &log_softmax(&logits),
        &exit,
        &tokens,
        Lfd::default().w,
        &mut fused,
    );
    let top = best(&fused, 5);

    case.output("iks", scores.iter().map(|&score| f64::from(score)));
    case.output("layer", [layer as f64]);
    case.output("head_ids", tokens.iter().map(|&token| token as f64));
    case.output("fused_top_ids", top.iter().map(|(id, _)| f64::from(*id)));
    case.output("fused_top", top.iter().map(|(_, score)| f64::from(*score)));
    let plain = best(&logits, 5);
    case.output("base_top_ids", plain.iter().map(|(id, _)| f64::from(*id)));
    let firsts = exits
        .iter()
        .skip(1)
        .step_by(2)
        .map(|row| argmax(row) as f64);
    case.output("lens_top1", firsts);
    Ok(())
}
