//! Models of a recipe, built or loaded: fresh nets, folders, weight files, students cut from others.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use engraft_method::suggest::hint;
use engraft_nets::{
    InputShape, Network, Spec, Tokenizer, create, keep_layers, linear::merge, load_adapter,
    load_folder, load_into,
};
use indexmap::IndexMap;
use serde_json::Value;

use super::{Data, memory};
use crate::{
    recipe::{Complaints, Section, said},
    store,
};

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

    /// The length of the longest row of some data and the context it does not fit into, if it does
    /// not.
    pub fn too_long(&self, data: &Data, tokenizer: &Tokenizer) -> Option<(usize, usize)> {
        let context = self.network.capabilities().context?;
        let longest = data.longest_row(tokenizer)?;
        (context < longest).then_some((longest, context))
    }

    /// Why it cannot read some data, if it cannot.
    pub fn cannot_take(&self, data: &Data) -> Option<String> {
        let capabilities = self.network.capabilities();
        let Some((classes, shape)) = data.image_shape() else {
            if !capabilities.causal_lm {
                return Some("text is no input for an image classifier".to_owned());
            }
            return None;
        };
        if capabilities.causal_lm {
            return Some("images are no input for a language model".to_owned());
        }
        if classes != capabilities.classes {
            return Some(format!(
                "the data has {classes} classes, the model {}",
                capabilities.classes
            ));
        }
        let [channels, height, width] = shape;
        let config = self.network.config();
        let number = |key: &str| config.get(key)?.as_u64().map(|number| number as usize);
        let fits = number("channels").is_none_or(|taken| taken == channels)
            && number("input").is_none_or(|taken| taken == channels * height * width);
        (!fits).then(|| {
            format!(
                "its images are {channels} x {height} x {width} (channels, height, width), which \
                 is not what the model was made for"
            )
        })
    }
}

struct Builder<'a> {
    directory: &'a Path,
    seed: u64,
    device: &'a Device,
    complaints: &'a Complaints,
}

/// Builds all models; one tokenizer serves all texts: that of the first model folder, or a fresh
/// one made from the data. What could not be built is `None`, and complained of.
pub(super) fn build(
    section: &Section<'_>,
    data: &mut IndexMap<String, Option<Data>>,
    directory: &Path,
    seed: u64,
    device: &Device,
    complaints: &Complaints,
) -> (IndexMap<String, Option<Model>>, Option<Tokenizer>) {
    let builder = Builder {
        directory,
        seed,
        device,
        complaints,
    };
    let written: Vec<(&String, &Value)> = section
        .keys()
        .map(|key| (key, section.raw(key).unwrap_or(&Value::Null)))
        .collect();
    // In the order of the recipe, whatever the order of building.
    let mut models: IndexMap<String, Option<Model>> = written
        .iter()
        .map(|(name, _)| ((*name).clone(), None))
        .collect();
    let mut shared: Option<(&String, Tokenizer)> = None;
    let mut without: Vec<(&String, PathBuf)> = Vec::new();
    for (name, value) in &written {
        let Some(written) = folder(value) else {
            continue;
        };
        let Some(path) = builder.place(name, &written) else {
            continue;
        };
        let Some((mut model, own)) = builder.folder(name, &path) else {
            continue;
        };
        if builder.adapt(name, value, &mut model).is_none() {
            continue;
        }
        match (&shared, own) {
            (Some((first, tokenizer)), Some(own)) if !tokenizer.same_vocabulary(&own) => {
                complaints.add(
                    &format!("models.{name}"),
                    format!(
                        "{}: its vocabulary is another than that of `{first}`; the models of one \
                         recipe read the same tokens, so use models of one family",
                        path.display()
                    ),
                );
                continue;
            }
            (None, Some(own)) => shared = Some((name, own)),
            (_, None) if model.network().capabilities().causal_lm => without.push((name, path)),
            _ => {}
        }
        models.insert((*name).clone(), Some(model));
    }
    if shared.is_none() {
        for (name, path) in without {
            complaints.add(
                &format!("models.{name}"),
                format!(
                    "{} has no tokenizer.json; copy it from where the model came from",
                    path.display()
                ),
            );
        }
    }
    let tokenizer = shared
        .map(|(_, tokenizer)| tokenizer)
        .or_else(|| fresh_tokenizer(data));
    for (name, value) in &written {
        if folder(value).is_none() {
            let model = builder.described(name, value, &models, data, tokenizer.as_ref());
            models.insert((*name).clone(), model);
        }
    }
    let contexts = models
        .values()
        .flatten()
        .filter_map(|model| model.network().capabilities().context);
    if let Some(limit) = contexts.min() {
        for data in data.values_mut().flatten() {
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
fn fresh_tokenizer(data: &IndexMap<String, Option<Data>>) -> Option<Tokenizer> {
    let vocabularies: Vec<(Vec<String>, bool)> = data
        .values()
        .flatten()
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
    /// A path as it is, or the place of what `engraft pull` brought here under that name.
    fn place(&self, name: &str, written: &Path) -> Option<PathBuf> {
        store::place(self.directory, written)
            .map_err(|problem| self.complaints.add(&format!("models.{name}"), problem))
            .ok()
    }

    /// Puts the adapter of `{folder: BASE, adapter: DIR}` into the weights; None if it cannot.
    fn adapt(&self, name: &str, value: &Value, model: &mut Model) -> Option<()> {
        let Value::Object(map) = value else {
            return Some(());
        };
        let section = Section::of(format!("models.{name}"), map, self.complaints);
        section.raw("folder");
        let adapter: Option<PathBuf> = section.get("adapter");
        section.finish();
        let Some(adapter) = adapter else {
            return Some(());
        };
        let path = self.directory.join(adapter);
        load_adapter(&path, &mut *model.network)
            .map_err(|error| self.complaints.add(&section.place, error))
            .ok()?;
        merge(&mut *model.network);
        model.origin = format!("{} with the adapter {}", model.origin, path.display());
        Some(())
    }

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
        built: &IndexMap<String, Option<Model>>,
        data: &IndexMap<String, Option<Data>>,
        tokenizer: Option<&Tokenizer>,
    ) -> Option<Model> {
        let section = Section::new(format!("models.{name}"), value, self.complaints)?;
        let model = if section.raw("from").is_some() {
            self.cut(name, &section, built)
        } else {
            self.fresh(name, &section, data, tokenizer)
        };
        section.finish();
        model
    }

    /// `{from: teacher, keep_layers: half | [0, 2]}`.
    fn cut(
        &self,
        name: &str,
        section: &Section<'_>,
        built: &IndexMap<String, Option<Model>>,
    ) -> Option<Model> {
        let keep = section.raw("keep_layers");
        let from: String = section.get("from")?;
        // Folders are built first, wherever they stand.
        let known: Vec<&str> = built
            .iter()
            .enumerate()
            .filter(|(at, (_, model))| Some(*at) < built.get_index_of(name) || model.is_some())
            .map(|(_, (name, _))| name.as_str())
            .collect();
        let Some(base) = built.get(&from).filter(|_| known.contains(&&*from)) else {
            self.complaints.add(
                &section.place,
                format!(
                    "from `{from}` is no model named before it; {}",
                    hint(&from, known)
                ),
            );
            return None;
        };
        // One that could not be built has its own complaint.
        let base = base.as_ref()?;
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
        data: &IndexMap<String, Option<Data>>,
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
            .map_err(|error| complain(format!("{kind}: {}", said(&error))))
            .ok()?;
        if let Some(problem) = unknown_key(kind, &written, &spec) {
            complain(format!("{kind}: {problem}"));
            return None;
        }
        let weights = section.raw("weights").is_some();
        let weights = match section.get::<PathBuf>("weights") {
            None if weights => return None,
            found => found,
        };
        let opened = || data.values().flatten();
        let (classes, input) = match opened().find_map(Data::image_shape) {
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
        let suited = match spec.is_language_model() {
            true => opened().any(Data::is_text) || tokenizer.is_some(),
            false => input != InputShape::Tokens,
        };
        if !suited {
            // Where data could not be opened, its own complaint says why.
            if data.values().all(Option::is_some) {
                complain(match spec.is_language_model() {
                    true => format!("`{kind}` reads text, and no text stands under `data`"),
                    false => format!("`{kind}` reads images, and none stand under `data`"),
                });
            }
            return None;
        }
        if let Err(problem) = memory::check(spec.extent(classes, input).bytes()) {
            complain(format!("{kind}: {problem}"));
            return None;
        }
        let seed = engraft_train::key::bits(self.seed, name, 0);
        let mut network = create(&spec, classes, input, seed, self.device)
            .map_err(|error| complain(error.to_string()))
            .ok()?;
        let mut origin = format!("new, {written}");
        if let Some(file) = weights {
            let path = self.directory.join(file);
            load_into(&mut *network, &path)
                .map_err(|error| complain(error.to_string()))
                .ok()?;
            origin = path.display().to_string();
        }
        Some(Model { network, origin })
    }
}

/// A key that the description of a net does not have. Those of a Llama are read as in a
/// `config.json`, where other keys may stand.
fn unknown_key(kind: &str, written: &Value, spec: &Spec) -> Option<String> {
    let whole = serde_json::to_value(spec).ok()?;
    let known: Vec<&str> = whole[kind]
        .as_object()?
        .keys()
        .map(String::as_str)
        .collect();
    let typed = written[kind].as_object()?.keys();
    let unknown = typed.map(String::as_str).find(|key| !known.contains(key))?;
    Some(format!("unknown key `{unknown}`; {}", hint(unknown, known)))
}
