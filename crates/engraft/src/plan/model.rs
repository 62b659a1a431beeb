//! Models of a recipe, built or loaded: fresh nets, folders, weight files, students cut from others.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use engraft_nets::{
    InputShape, Network, Spec, Tokenizer, create, keep_layers, load_folder, load_into,
};
use indexmap::IndexMap;
use serde_json::Value;

use super::Data;
use crate::recipe::{Complaints, Section};

/// A model before anything ran.
pub struct Model {
    network: Box<dyn Network>,
    /// Where it came from, for the plan and the ledger.
    pub origin: String,
}

impl Model {
    pub fn network(&self) -> &dyn Network {
        &*self.network
    }

    /// Why it cannot read some data, if it cannot.
    pub fn cannot_take(&self, data: &Data) -> Option<String> {
        let capabilities = self.network.capabilities();
        match (capabilities.causal_lm, data.image_shape()) {
            (true, Some(_)) => Some("images are no input for a language model".to_owned()),
            (false, None) => Some("text is no input for an image classifier".to_owned()),
            (false, Some((classes, _))) if classes != capabilities.classes => Some(format!(
                "the data has {classes} classes, the model {}",
                capabilities.classes
            )),
            _ => None,
        }
    }
}

struct Builder<'a> {
    directory: &'a Path,
    seed: u64,
    device: &'a Device,
    complaints: &'a Complaints,
}

/// Builds all models; one tokenizer serves all texts: that of the first model folder, or a fresh
/// one made from the data.
pub(super) fn build(
    section: &Section<'_>,
    data: &mut IndexMap<String, Data>,
    directory: &Path,
    seed: u64,
    device: &Device,
    complaints: &Complaints,
) -> (IndexMap<String, Model>, Option<Tokenizer>) {
    let builder = Builder {
        directory,
        seed,
        device,
        complaints,
    };
    let written: Vec<(&String, &Value)> = section
        .keys()
        .filter_map(|key| Some((key, section.raw(key)?)))
        .collect();
    let mut models = IndexMap::new();
    let mut tokenizer = None;
    for (name, value) in &written {
        if let Some(path) = folder(value)
            && let Some((model, own)) = builder.folder(name, &directory.join(path))
        {
            if tokenizer.is_none() {
                tokenizer = own;
            }
            models.insert((*name).clone(), model);
        }
    }
    let tokenizer = tokenizer.or_else(|| fresh_tokenizer(data));
    for (name, value) in &written {
        if folder(value).is_none()
            && let Some(model) = builder.described(name, value, &models, data, tokenizer.as_ref())
        {
            models.insert((*name).clone(), model);
        }
    }
    // The order of the recipe, not of building.
    models.sort_by(|a, _, b, _| {
        let place = |name: &String| written.iter().position(|(known, _)| *known == name);
        place(a).cmp(&place(b))
    });
    let contexts = models
        .values()
        .filter_map(|model| model.network().capabilities().context);
    if let Some(limit) = contexts.min() {
        for data in data.values_mut() {
            data.limit_context(limit);
        }
    }
    (models, tokenizer)
}

/// The path of a model that is a folder: a plain string, or `{folder: PATH}`.
fn folder(value: &Value) -> Option<PathBuf> {
    let path = value.as_str().or_else(|| value.get("folder")?.as_str())?;
    Some(PathBuf::from(path))
}

/// A vocabulary of words where people are invented, of characters otherwise.
fn fresh_tokenizer(data: &IndexMap<String, Data>) -> Option<Tokenizer> {
    let vocabularies: Vec<(Vec<String>, bool)> = data
        .values()
        .filter(|data| data.is_text())
        .map(Data::vocabulary)
        .collect();
    if vocabularies.is_empty() {
        return None;
    }
    let words = vocabularies.iter().any(|(_, words)| *words);
    let texts = vocabularies
        .iter()
        .flat_map(|(texts, _)| texts.iter().map(String::as_str));
    Some(if words {
        Tokenizer::words(texts)
    } else {
        Tokenizer::chars(texts)
    })
}

impl Builder<'_> {
    fn folder(&self, name: &str, path: &Path) -> Option<(Model, Option<Tokenizer>)> {
        let place = format!("models.{name}");
        let loaded = load_folder(path, self.device)
            .map_err(|error| self.complaints.add(&place, error))
            .ok()?;
        let model = Model {
            network: loaded.network,
            origin: path.display().to_string(),
        };
        Some((model, loaded.tokenizer))
    }

    fn described(
        &self,
        name: &str,
        value: &Value,
        built: &IndexMap<String, Model>,
        data: &IndexMap<String, Data>,
        tokenizer: Option<&Tokenizer>,
    ) -> Option<Model> {
        let section = Section::new(format!("models.{name}"), value, self.complaints)?;
        let model = if section.raw("from").is_some() {
            self.cut(&section, built)
        } else {
            self.fresh(name, &section, data, tokenizer)
        };
        section.finish();
        model
    }

    /// `{from: teacher, keep_layers: half | [0, 2]}`.
    fn cut(&self, section: &Section<'_>, built: &IndexMap<String, Model>) -> Option<Model> {
        let from: String = section.get("from")?;
        let keep = section.raw("keep_layers");
        let Some(base) = built.get(&from) else {
            let known: Vec<&str> = built.keys().map(String::as_str).collect();
            let hint = engraft_method::suggest::hint(&from, known);
            self.complaints.add(
                &section.place,
                format!("from `{from}` is no model named before it; {hint}"),
            );
            return None;
        };
        let blocks = base.network().capabilities().blocks;
        let layers: Vec<usize> = match keep {
            Some(Value::String(word)) if word == "half" => (0..blocks).step_by(2).collect(),
            Some(Value::Array(_)) => section.get("keep_layers")?,
            _ => {
                self.complaints.add(
                    &section.place,
                    "keep_layers must be `half` or a list of block numbers",
                );
                return None;
            }
        };
        let network = keep_layers(base.network(), &layers)
            .map_err(|error| self.complaints.add(&section.place, error))
            .ok()?;
        Some(Model {
            network,
            origin: format!("blocks {layers:?} of {from}"),
        })
    }

    /// A built-in net by its specification, perhaps with weights from a file.
    fn fresh(
        &self,
        name: &str,
        section: &Section<'_>,
        data: &IndexMap<String, Data>,
        tokenizer: Option<&Tokenizer>,
    ) -> Option<Model> {
        let kinds: Vec<&str> = Spec::KINDS
            .into_iter()
            .filter(|kind| section.raw(kind).is_some())
            .collect();
        let [kind] = kinds[..] else {
            let known = Spec::KINDS.join(", ");
            self.complaints.add(
                &section.place,
                format!("must be a folder, or have exactly one of the keys from, {known}"),
            );
            return None;
        };
        let written = serde_json::json!({ kind: section.raw(kind) });
        let complain = |error: String| self.complaints.add(&section.place, error);
        let spec: Spec = serde_json::from_value(written.clone())
            .map_err(|error| complain(format!("{kind}: {error}")))
            .ok()?;
        let (classes, input) = match data.values().find_map(Data::image_shape) {
            Some((classes, [channels, height, width])) if !spec.is_language_model() => (
                classes,
                InputShape::Image {
                    channels,
                    height,
                    width,
                },
            ),
            _ => (
                tokenizer.map_or(0, Tokenizer::vocab_size),
                InputShape::Tokens,
            ),
        };
        if classes == 0 {
            complain(
                "needs data to know its vocabulary or classes; name some under `data`".to_owned(),
            );
            return None;
        }
        let seed = engraft_train::key::bits(self.seed, name, 0);
        let mut network = create(&spec, classes, input, seed, self.device)
            .map_err(|error| complain(error.to_string()))
            .ok()?;
        let mut origin = format!("new, {written}");
        if let Some(file) = section.get::<PathBuf>("weights") {
            let path = self.directory.join(file);
            load_into(&mut *network, &path)
                .map_err(|error| complain(error.to_string()))
                .ok()?;
            origin = path.display().to_string();
        }
        Some(Model { network, origin })
    }
}
