//! The model of the reference cases that need one: its weights are not part of the repository.

use std::{path::PathBuf, sync::OnceLock};

use engraft_method::parity::{Case, ParityError};
use engraft_runtime::{Llama, Options, Precision};

use crate::{Chosen, Go, Limits, Models, Pasts, Prompt, Text, Way, answer};

/// The file of the weights, in the folder that `ENGRAFT_DATA` names.
const NAME: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
/// Ends its texts.
pub(crate) const END: u32 = 2;

/// The model in f32, which is what the cases were computed in.
///
/// # Errors
/// That it is not here.
pub(crate) fn model() -> Result<&'static Llama, ParityError> {
    static MODEL: OnceLock<Option<Llama>> = OnceLock::new();
    let load = || {
        let path = PathBuf::from(std::env::var_os("ENGRAFT_DATA")?).join(NAME);
        let options = Options {
            precision: Precision::F32,
            ..Options::default()
        };
        // A file that is there and damaged is told of by the tests of the runtime.
        Some(Llama::load(&path, options).ok()?.model)
    };
    let absent = || format!("set ENGRAFT_DATA to a folder that holds {NAME}");
    MODEL
        .get_or_init(load)
        .as_ref()
        .ok_or_else(|| ParityError::Absent(absent()))
}

/// Token ids among the inputs.
pub(crate) fn ids(case: &Case, name: &str) -> Result<Vec<u32>, ParityError> {
    let ids = case.input(name)?.i64();
    Ok(ids.into_iter().map(|id| id as u32).collect())
}

/// Prompts in ids need no tokenizer.
pub(crate) struct Ids;

impl Text for Ids {
    fn encode(&self, _text: &str) -> Vec<u32> {
        Vec::new()
    }

    fn decode(&self, _tokens: &[u32]) -> String {
        String::new()
    }

    fn end(&self) -> u32 {
        END
    }

    fn find(&self, _words: &str) -> Option<std::ops::Range<usize>> {
        None
    }
}

/// A prompt in ids.
pub(crate) fn prompt<'a>(full: &'a [u32], question: Option<&'a [u32]>) -> Prompt<'a> {
    Prompt {
        full,
        question,
        span: 0..full.len(),
        text: &Ids,
    }
}

/// The tokens of an answer of up to `tokens`.
///
/// # Errors
/// What the answer failed of.
pub(crate) fn answered(
    model: &Llama,
    prompt: &Prompt<'_>,
    way: &mut Way,
    tokens: usize,
) -> Result<Vec<u32>, ParityError> {
    let models = Models {
        model,
        amateur: None,
    };
    let mut limits = Limits {
        tokens,
        ends: &[END],
        alternatives: 0,
        uniform: &mut || 0.0,
        stopped: &|| false,
    };
    let mut found = Vec::new();
    let mut tell = |chosen: Chosen| {
        found.push(chosen.token);
        Go::On
    };
    let done = answer(
        models,
        prompt,
        way,
        &mut Pasts::default(),
        &mut limits,
        &mut tell,
    );
    done.map_err(|problem| ParityError::Computation(problem.to_string()))?;
    Ok(found)
}
