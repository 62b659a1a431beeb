//! Adapters as PEFT writes them: a folder of low-rank deltas that fits one base model.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use engraft_files::{
    WriteError,
    safetensors::{Store, WeightsError, pack},
    write_folder,
};
use engraft_method::suggest::nearest;
use serde_json::{Map, Value as Json, json};

use crate::{Delta, Linear, Network, Parameter, linear::DeltaError};

/// Why an adapter could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PeftError {
    #[error("{}: {problem}", path.display())]
    Folder { path: PathBuf, problem: String },
    #[error("{}: {source}; the adapter was made for another base model", path.display())]
    Misfit { path: PathBuf, source: DeltaError },
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
/// What PEFT puts before the name that a module has in its base model.
const PREFIX: &str = "base_model.model.";
/// The name under which an adapter from a folder is attached.
const LOADED: &str = "adapter";

/// Whether a folder holds an adapter.
pub fn is_adapter(path: &Path) -> bool {
    path.join(CONFIG).exists()
}

/// Attaches the adapter of a folder to a network, whose weights are then frozen.
///
/// # Errors
/// Whatever is not plain LoRA, or was made for another network, is refused by name; the network is
/// then unchanged.
pub fn load_adapter(path: &Path, network: &mut dyn Network) -> Result<(), PeftError> {
    let config = Config::read(path)?;
    let store = Store::open(&path.join(WEIGHTS))?;
    let pairs = pairs(path, &store)?;
    let device = network.parameters()[0].device();
    let mut linears = network.linears_mut();
    let modules: Vec<String> = linears.iter().map(|l| l.module().to_owned()).collect();
    let mut attached = Vec::new();
    config.check(path, &modules)?;
    for (module, [a, b]) in &pairs {
        let Some(at) = modules.iter().position(|known| known == module) else {
            let hint = nearest(module, modules.iter().map(String::as_str));
            let hint = hint.map_or_else(String::new, |name| format!(" (it has `{name}`)"));
            return Err(fail(
                path,
                format!(
                    "adapts `{module}`, which the base model does not have{hint}; the adapter \
                     belongs to another base model"
                ),
            ));
        };
        let matrix = |tensor: &str, part: &str| -> Result<Parameter, PeftError> {
            let shape = shape(&store, tensor);
            let [rows @ 1..=usize::MAX, columns @ 1..=usize::MAX] = shape[..] else {
                let problem = format!("tensor `{tensor}` has shape {shape:?}, which is no matrix");
                return Err(fail(path, problem));
            };
            let (name, numbers) = (factor_name(module, part), store.numbers(tensor)?);
            Ok(Parameter::matrix(name, numbers, [rows, columns], &device))
        };
        let (a, b) = (matrix(a, "A")?, matrix(b, "B")?);
        let factor = config.factor(module, a.value.dims()[0]);
        let delta = Delta::LowRank { a, b };
        if let Err(source) = linears[at].clone().attach(LOADED, factor, delta.clone()) {
            let path = path.to_owned();
            return Err(PeftError::Misfit { path, source });
        }
        attached.push((at, factor, delta));
    }
    for (at, factor, delta) in attached {
        let fits = linears[at].attach(LOADED, factor, delta);
        fits.expect("it fitted a copy of the layer");
    }
    Ok(())
}

/// The name of a factor (`A` or `B`) of a low-rank delta.
pub fn factor_name(module: &str, part: &str) -> String {
    format!("{module}.lora_{part}.weight")
}

/// Saves the low-rank deltas of a network as a PEFT folder; `base` is the name or path of the model
/// they belong to.
///
/// # Errors
/// If the network has no deltas, or one that is not low-rank.
pub fn save_adapter(path: &Path, network: &dyn Network, base: &str) -> Result<(), PeftError> {
    if path.exists() && !is_adapter(path) {
        let problem = "is there and is no adapter folder; choose another place or move it away";
        return Err(fail(path, problem.to_owned()));
    }
    let mut network = network.boxed_clone();
    let mut values = Vec::new();
    let (mut ranks, mut alphas) = (Map::new(), Map::new());
    for layer in network.linears_mut() {
        let (layer, module): (&Linear, &str) = (layer, layer.module());
        for (name, factor, delta) in layer.deltas() {
            let Delta::LowRank { a, b } = delta else {
                let problem = format!(
                    "the delta `{name}` of `{module}` is no low-rank one, which is all that a PEFT \
                     adapter holds; save the merged model"
                );
                return Err(fail(path, problem));
            };
            let rank = a.value.dims()[0];
            ranks.insert(module.to_owned(), rank.into());
            alphas.insert(module.to_owned(), (f64::from(factor) * rank as f64).into());
            for (part, factor) in [("A", a), ("B", b)] {
                let name = format!("{PREFIX}{}", factor_name(module, part));
                values.push((name, factor.value.clone()));
            }
        }
    }
    if values.is_empty() {
        return Err(fail(path, "the model has no deltas to save".to_owned()));
    }
    let usual = |of: &Map<String, Json>| of.values().next().cloned().unwrap_or_default();
    let others = |of: &Map<String, Json>, usual: &Json| -> Map<String, Json> {
        let other = of.iter().filter(|(_, value)| *value != usual);
        other
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    let (rank, alpha) = (usual(&ranks), usual(&alphas));
    let config = json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": others(&ranks, &rank),
        "alpha_pattern": others(&alphas, &alpha),
        "target_modules": ranks.keys().collect::<Vec<_>>(),
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": false,
        "use_rslora": false,
        "use_dora": false,
        "modules_to_save": null,
        "inference_mode": true,
    });
    let mut text = serde_json::to_vec_pretty(&config).unwrap_or_default();
    text.push(b'\n');
    let tensors = values.iter();
    let tensors = pack(tensors.map(|(name, value)| (name.clone(), value.dims(), value.to_vec())));
    write_folder(path, &[(CONFIG, text), (WEIGHTS, tensors)])?;
    Ok(())
}

/// What an `adapter_config.json` says about strength.
struct Config(Json);

impl Config {
    fn read(folder: &Path) -> Result<Self, PeftError> {
        let path = folder.join(CONFIG);
        let text = std::fs::read(&path).map_err(|error| {
            fail(
                &path,
                format!("cannot be read ({error}); give a PEFT adapter folder"),
            )
        })?;
        let json: Json = serde_json::from_slice(&text)
            .map_err(|error| fail(&path, format!("is not JSON ({error}); copy it again")))?;
        let refuse = |key: &str, way_out: &str| {
            Err(fail(
                &path,
                format!("`{key}` is {}, which is not read; {way_out}", json[key]),
            ))
        };
        if json["peft_type"] != "LORA" {
            return refuse("peft_type", "only LORA adapters are");
        }
        let on = |key: &str| !matches!(json[key], Json::Null | Json::Bool(false));
        if on("use_dora") {
            return refuse("use_dora", "merge it with PEFT and give the merged model");
        }
        if on("modules_to_save") && json["modules_to_save"] != json!([]) {
            return refuse(
                "modules_to_save",
                "merge it with PEFT and give the merged model",
            );
        }
        if on("bias") && json["bias"] != "none" {
            return refuse("bias", "merge it with PEFT and give the merged model");
        }
        if !json["lora_alpha"].is_number() {
            return refuse("lora_alpha", "it must be a number");
        }
        Ok(Self(json))
    }

    /// Refuses patterns that are no names of modules: PEFT takes them for regular expressions.
    fn check(&self, folder: &Path, modules: &[String]) -> Result<(), PeftError> {
        let patterns = self.0["alpha_pattern"].as_object().into_iter().flatten();
        for (pattern, _) in patterns {
            if !modules.iter().any(|module| names(pattern, module)) {
                let problem = format!(
                    "`alpha_pattern` holds `{pattern}`, which is the name of no module; merge it with \
                     PEFT and give the merged model"
                );
                return Err(fail(&folder.join(CONFIG), problem));
            }
        }
        Ok(())
    }

    /// `alpha / rank`, or `alpha / sqrt(rank)` in rank-stabilised adapters.
    fn factor(&self, module: &str, rank: usize) -> f32 {
        let pattern = self.0["alpha_pattern"].as_object();
        let mut own = pattern.into_iter().flatten();
        let own = own.find(|(name, _)| names(name, module));
        let alpha = own.map_or(&self.0["lora_alpha"], |(_, alpha)| alpha);
        let rank = match self.0["use_rslora"].as_bool() {
            Some(true) => (rank as f64).sqrt(),
            _ => rank as f64,
        };
        (alpha.as_f64().unwrap_or(rank) / rank) as f32
    }
}

/// Whether a module goes by that name, whole or from a dot on.
fn names(name: &str, module: &str) -> bool {
    module == name || module.ends_with(&format!(".{name}"))
}

fn fail(path: &Path, problem: String) -> PeftError {
    PeftError::Folder {
        path: path.to_owned(),
        problem,
    }
}

fn shape(store: &Store, tensor: &str) -> Vec<usize> {
    let mut shapes = store.shapes();
    let found = shapes.find(|(name, _)| *name == tensor);
    found.map_or_else(Vec::new, |(_, shape)| shape.to_vec())
}

/// Module to the tensors of its factors A and B.
fn pairs(path: &Path, store: &Store) -> Result<BTreeMap<String, [String; 2]>, PeftError> {
    let mut halves: BTreeMap<String, [Option<String>; 2]> = BTreeMap::new();
    for (tensor, _) in store.shapes() {
        let split = || -> Option<(&str, usize)> {
            let name = tensor.strip_prefix(PREFIX)?.strip_suffix(".weight")?;
            let name = name.strip_suffix(".default").unwrap_or(name);
            let (module, part) = name.rsplit_once(".lora_")?;
            Some((module, ["A", "B"].iter().position(|known| *known == part)?))
        };
        let Some((module, at)) = split() else {
            let problem = format!(
                "{WEIGHTS} holds `{tensor}`, which is no factor of a LoRA adapter; merge it with \
                 PEFT and give the merged model"
            );
            return Err(fail(path, problem));
        };
        halves.entry(module.to_owned()).or_default()[at] = Some(tensor.to_owned());
    }
    let whole = |(module, halves): (String, [Option<String>; 2])| match halves {
        [Some(a), Some(b)] => Ok((module, [a, b])),
        _ => Err(fail(
            path,
            format!("`{module}` has only one of its two factors; copy the adapter again"),
        )),
    };
    let pairs: BTreeMap<_, _> = halves.into_iter().map(whole).collect::<Result<_, _>>()?;
    match pairs.is_empty() {
        true => Err(fail(
            path,
            format!("{WEIGHTS} holds no factors of an adapter"),
        )),
        false => Ok(pairs),
    }
}
