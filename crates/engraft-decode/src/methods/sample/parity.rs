//! The transforms beside those of transformers, each alone and all in a row.

use engraft_method::parity::{Case, ParityError};

use super::Sample;
use crate::{
    logits::softmax,
    processors::{
        Repetition, min_p, no_repeat_ngrams, repetition_penalty, temperature, top_k, top_p, typical,
    },
};

pub(super) fn processors(case: &mut Case) -> Result<(), ParityError> {
    let penalty = case.number("repetition_penalty")? as f32;
    let heat = case.number("temperature")? as f32;
    let ngram = case.number("no_repeat_ngram_size")? as usize;
    let ks = case.numbers("top_k")?;
    let masses = case.numbers("top_p")?;
    let shares = case.numbers("min_p")?;
    let typicals = case.numbers("typical_p")?;
    if case.number("min_tokens_to_keep")? != 1.0 || case.json("filter_value")? != "-inf" {
        let reason = "only one token is sure to be kept, and what is removed is -inf";
        return Err(ParityError::Computation(reason.to_owned()));
    }

    let [_, vocab] = case.input("scores")?.rows();
    let [_, length] = case.input("input_ids")?.rows();
    let scores = case.input("scores")?.f32();
    let ids = case.input("input_ids")?.i64();
    let ids: Vec<u32> = ids.into_iter().map(|id| id as u32).collect();
    let each = |change: &dyn Fn(&[u32], &mut [f32])| -> Vec<f32> {
        let mut scores = scores.clone();
        let rows = scores.chunks_exact_mut(vocab);
        for (row, tokens) in rows.zip(ids.chunks_exact(length)) {
            change(tokens, row);
        }
        scores
    };

    case.output_f32(
        "rep",
        &each(&|tokens, row| repetition_penalty(row, tokens, penalty)),
    );
    case.output_f32(
        "ngram",
        &each(&|tokens, row| no_repeat_ngrams(row, tokens, ngram)),
    );
    case.output_f32("temp", &each(&|_, row| temperature(row, heat)));
    for &k in &ks {
        case.output_f32(format!("topk_{k}"), &each(&|_, row| top_k(row, k as usize)));
    }
    for mass in masses.iter().copied() {
        case.output_f32(
            format!("topp_{mass:?}"),
            &each(&|_, row| top_p(row, mass as f32)),
        );
    }
    for share in shares.iter().copied() {
        case.output_f32(
            format!("minp_{share:?}"),
            &each(&|_, row| min_p(row, share as f32)),
        );
    }
    for mass in typicals.iter().copied() {
        case.output_f32(
            format!("typical_{mass:?}"),
            &each(&|_, row| typical(row, mass as f32)),
        );
    }

    let first = |list: &[f64], name: &str| match list.first() {
        Some(&number) => Ok(number),
        None => Err(ParityError::MissingHyperparameter(format!("one {name}"))),
    };
    let chain = Sample {
        repetition: Repetition {
            repetition_penalty: penalty,
            ..Repetition::default()
        },
        temperature: heat,
        top_k: first(&ks, "top_k")? as usize,
        top_p: first(&masses, "top_p")? as f32,
        min_p: first(&shares, "min_p")? as f32,
        ..Sample::default()
    };
    let chained = each(&|tokens, row| chain.apply(tokens, row));
    let probabilities: Vec<f32> = chained.chunks_exact(vocab).flat_map(softmax).collect();
    case.output_f32("chain_probs", &probabilities);
    case.output_f32("chain", &chained);
    Ok(())
}
