//! KID beside reference numbers.

use engraft_method::parity::{Case, ParityError};
use engraft_runtime::CacheGradient;
use serde_json::Value;

use super::{Kid, Trie, fusion, policy::Policy, toy::Toy};

/// Changes the cache of the case's model.
pub(super) fn policy_update(case: &mut Case) -> Result<(), ParityError> {
    let settings = Kid {
        kid_steps: case.number("kid_steps")? as usize,
        step_size: case.number("step_size")? as f32,
        kl_scale: case.number("kl_scale")? as f32,
        gamma: case.number("gamma")? as f32,
        // The official steps are not cut.
        max_step: f32::MAX,
        ..Kid::default()
    };
    let toy = Toy::of(case)?;
    let cache = case.input("past")?;
    let size = cache.values.len() / cache.shape[0];
    let past: Vec<Vec<f32>> = cache
        .f32()
        .chunks_exact(size)
        .map(<[f32]>::to_vec)
        .collect();
    let wanted: Vec<u32> = ids(case, "kg_first_ids")?;
    let token = ids(case, "last")?[0];
    let still = vec![vec![0.0; size]; past.len()];
    let failed = |error: engraft_runtime::RuntimeError| ParityError::Computation(error.to_string());

    let own = toy.logits(&past, &still, token).map_err(failed)?;
    let policy = Policy::new(&own, &wanted, &settings);
    let before = policy.loss(&own);
    let slope = &mut |logits: &[f32]| policy.loss(logits).slope;
    let gradient = toy.gradient(&past, &still, token, slope).map_err(failed)?;
    let shift = policy.shift(&toy, &past, still, token).map_err(failed)?;
    let changed = toy.logits(&past, &shift, token).map_err(failed)?;
    let after = past.concat().into_iter().zip(shift.concat());
    let after: Vec<f32> = after.map(|(past, shift)| past + shift).collect();

    case.output_f32("norm_logits", &own);
    case.output_f32("reward_0", &[before.value]);
    case.output_f32("kl_0", &[before.divergence]);
    case.output_f32("grad_0", &gradient.concat());
    case.output_f32("past_after", &after);
    case.output_f32("kid_logits", &changed);
    case.output_f32("know_mass_before", &[before.mass]);
    case.output_f32("know_mass_after", &[policy.loss(&changed).mass]);
    Ok(())
}

/// Fuses two models' logits, in our way and with the quirks of the official code.
pub(super) fn fuse(case: &mut Case) -> Result<(), ParityError> {
    let settings = Kid {
        gm_scale: case.number("gm_scale")? as f32,
        top_k: case.number("top_k")? as usize,
        top_p: case.number("top_p")? as f32,
        banned_ngram_size: case.number("banned_ngram_size")? as usize,
        repetition_penalty: case.number("repetition_penalty")? as f32,
        ..Kid::default()
    };
    let official = Kid {
        ban_positions: true,
        softmax_top_p: true,
        ..settings.clone()
    };
    let own = case.input("norm_logits")?.f32();
    let changed = case.input("kid_logits")?.f32();
    let tokens = ids(case, "gen_ids")?;
    for (settings, ending, fused) in [
        (&official, "", "fused_official"),
        (&settings, "_fixed", "fused_fixed"),
    ] {
        for (side, logits) in [("norm", &own), ("kid", &changed)] {
            let logs = fusion::processed(logits, &tokens, settings);
            let probabilities = logs.iter().map(|log| f64::from(log.exp()));
            case.output(format!("{side}_probs{ending}"), probabilities);
        }
        case.output_f32(fused, &fusion::fuse(&own, &changed, &tokens, settings));
    }
    let banned = fusion::banned(&tokens, settings.banned_ngram_size);
    case.output("banned", banned.into_iter().map(f64::from));
    Ok(())
}

fn ids(case: &Case, name: &str) -> Result<Vec<u32>, ParityError> {
    let ids = case.input(name)?.i64();
    Ok(ids.into_iter().map(|id| id as u32).collect())
}

/// Looks up all of the case's queries; by letters where the case keeps that quirk.
pub(super) fn prefix_lookup(case: &mut Case) -> Result<(), ParityError> {
    let document = case.document()?;
    let texts = |value: &Value| -> Option<Vec<String>> {
        let list = value.as_array()?.iter();
        list.map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let missing = || ParityError::MissingInput("keys and prefix_query".to_owned());
    let keys = document.get("keys").and_then(texts).ok_or_else(missing)?;
    let queries = document.get("prefix_query").and_then(Value::as_object);
    let trie = Trie::of_keys(keys);
    for (prefix, wanted) in queries.ok_or_else(missing)? {
        let found: Vec<&str> = trie.beginning_with(prefix, case.compat).collect();
        let wanted = texts(wanted).ok_or_else(missing)?;
        if found != wanted {
            return Err(ParityError::Computation(format!(
                "prefix `{prefix}`: got {found:?}, want {wanted:?}"
            )));
        }
    }
    Ok(())
}
