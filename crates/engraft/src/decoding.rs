//! Decoding as the program offers it: a loaded model, prompts in its tokens, answers as text.

mod answered;
mod asked;
mod choice;
pub mod conflicts;
pub mod contest;
pub mod explain;
pub mod heads;
pub mod page;
pub mod rows;
pub mod scoring;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use engraft_decode::{
    AnswerError, Chosen, DecodeEntry, Ended, Given, Go, Limits, Models, Pasts, Target, Way, answer,
    graph::Reader, methods, score,
};
use engraft_files::Tokenizer;
use engraft_method::suggest::hint;
use engraft_runtime::{CausalLm, Llama, Options, Precision, Sequence};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use answered::Answered;
pub use asked::Asked;
pub use choice::{Choice, Choices, Stated};

use crate::store;

/// How the products are computed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Computes {
    /// Weights as stored, activations in eight bits.
    Int8,
    /// Everything in 32-bit floats.
    F32,
}

/// Which model decodes, and how.
#[derive(Args, Clone, Debug)]
pub struct ModelFlags {
    /// A model folder, a GGUF file or the name of a pulled model.
    #[arg(long)]
    pub model: PathBuf,
    /// int8 or f32.
    #[arg(long, value_enum, default_value = "int8")]
    pub precision: Computes,
    /// Threads [default: as many as cores].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
}

/// How an answer is drawn and where it ends.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub tokens: usize,
    /// How many alternatives are reported.
    pub alternatives: usize,
    pub seed: u64,
}

/// A model at work.
pub struct Decoder {
    pub model: Llama,
    pub tokenizer: Tokenizer,
    pub path: PathBuf,
    /// Set from elsewhere to give up a search.
    pub stopped: Arc<AtomicBool>,
    amateur: Option<Amateur>,
    reader: OnceLock<Reader>,
}

/// A weaker model to compare with.
struct Amateur {
    model: Llama,
    path: PathBuf,
}

/// The decoding method of that name.
///
/// # Errors
/// None of that name; the nearest one is the advice.
pub fn known(name: &str) -> anyhow::Result<DecodeEntry> {
    methods::find(name).with_context(|| {
        let names: Vec<&str> = methods::all()
            .iter()
            .map(|entry| entry.method.name)
            .collect();
        format!("--method: unknown method `{name}`; {}", hint(name, names))
    })
}

impl Decoder {
    /// # Errors
    /// A model that is not there, is damaged or has no tokenizer.
    pub fn load(flags: &ModelFlags) -> anyhow::Result<Self> {
        let path = place(&flags.model, "--model")?;
        let loaded = Llama::load(&path, flags.options())?;
        let tokenizer = loaded.tokenizer.with_context(|| {
            let path = path.display();
            format!("{path}: has no tokenizer; put its tokenizer.json beside the weights")
        })?;
        Ok(Self {
            model: loaded.model,
            tokenizer,
            path,
            stopped: Arc::default(),
            amateur: None,
            reader: OnceLock::new(),
        })
    }

    /// Loads a weaker model to compare with, where one is named; it must read the same tokens.
    ///
    /// # Errors
    /// As [`Decoder::load`], and another vocabulary.
    pub fn with_amateur(
        mut self,
        model: Option<&Path>,
        flags: &ModelFlags,
    ) -> anyhow::Result<Self> {
        let Some(model) = model else { return Ok(self) };
        let path = place(model, "--amateur")?;
        let loaded = Llama::load(&path, flags.options())?;
        let same = loaded
            .tokenizer
            .is_some_and(|other| other.same_vocabulary(&self.tokenizer));
        anyhow::ensure!(
            same,
            "--amateur: {} does not read the tokens of {}; both need one tokenizer",
            path.display(),
            self.path.display()
        );
        self.amateur = Some(Amateur {
            model: loaded.model,
            path,
        });
        Ok(self)
    }

    /// A method set to work on one answer.
    ///
    /// # Errors
    /// Settings that make no sense or that this model cannot follow.
    pub fn way(&self, entry: &DecodeEntry, settings: &serde_json::Value) -> anyhow::Result<Way> {
        let said = |problem: String| anyhow::anyhow!("{}: {problem}", entry.method.name);
        let target = Target {
            shape: self.model.shape(),
            reader: &|| self.reader().map_err(|error| error.to_string()),
        };
        entry.start(settings, &target).map_err(said)
    }

    /// Decodes an answer, telling every token as it comes.
    ///
    /// # Errors
    /// A prompt that lacks what the method needs or is too long.
    pub fn answer(
        &self,
        asked: &Asked,
        way: &mut Way,
        pasts: &mut Pasts<Sequence>,
        bounds: &Bounds,
        tell: &mut dyn FnMut(Chosen) -> Go,
    ) -> Result<Ended, AnswerError> {
        let mut random = ChaCha8Rng::seed_from_u64(bounds.seed);
        let mut limits = Limits {
            tokens: bounds.tokens,
            ends: &[self.tokenizer.end_of_text()],
            alternatives: bounds.alternatives,
            uniform: &mut || random.random(),
            stopped: &|| self.stopped.load(Ordering::Relaxed),
        };
        let text = asked.text(&self.tokenizer);
        let prompt = asked.prompt(&text);
        answer(self.models(), &prompt, way, pasts, &mut limits, tell)
    }

    /// What the method says of every token of a given answer.
    ///
    /// # Errors
    /// As [`Decoder::answer`].
    pub fn score(
        &self,
        asked: &Asked,
        way: &mut Way,
        pasts: &mut Pasts<Sequence>,
        given: &[u32],
    ) -> Result<Vec<Given>, AnswerError> {
        let text = asked.text(&self.tokenizer);
        score(self.models(), &asked.prompt(&text), way, pasts, given)
    }

    /// Stands for the weights in files that were made with them: a hash of the files.
    ///
    /// # Errors
    /// A file that cannot be read any more.
    pub fn hash(&self) -> anyhow::Result<String> {
        hash(&self.path)
    }

    /// The same of the weaker model, where there is one.
    ///
    /// # Errors
    /// As [`Decoder::hash`].
    pub fn amateur_hash(&self) -> anyhow::Result<Option<String>> {
        let amateur = self.amateur.as_ref();
        amateur.map(|amateur| hash(&amateur.path)).transpose()
    }

    /// Who files belong to that were made with this model.
    ///
    /// # Errors
    /// As [`Decoder::hash`].
    pub fn reader(&self) -> anyhow::Result<Reader> {
        if let Some(known) = self.reader.get() {
            return Ok(known.clone());
        }
        let tokenizer = blake3::hash(self.tokenizer.json().as_bytes());
        let reader = Reader {
            tokenizer_hash: tokenizer.to_hex().to_string(),
            model_hash: self.hash()?,
        };
        Ok(self.reader.get_or_init(|| reader).clone())
    }

    fn models(&self) -> Models<'_, Llama> {
        Models {
            model: &self.model,
            amateur: self.amateur.as_ref().map(|amateur| &amateur.model),
        }
    }
}

impl ModelFlags {
    fn options(&self) -> Options {
        Options {
            precision: match self.precision {
                Computes::Int8 => Precision::Int8,
                Computes::F32 => Precision::F32,
            },
            threads: self.threads.map(usize::from),
            kernel: None,
        }
    }
}

/// A hash of a file, or of the weights in a folder.
///
/// # Errors
/// A file that cannot be read.
pub fn hash(path: &Path) -> anyhow::Result<String> {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
        files = entries.into_iter().map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|end| end == "safetensors"));
        files.sort();
    }
    let mut hasher = blake3::Hasher::new();
    for file in &files {
        let content =
            std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        hasher.update_reader(content)?;
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// The file or folder that a flag means: as it is written, or by the name under which it was pulled.
///
/// # Errors
/// A name of ours that is not here yet; how to get it.
pub fn place(written: &Path, flag: &str) -> anyhow::Result<PathBuf> {
    store::place(Path::new(""), written).map_err(|problem| anyhow::anyhow!("{flag}: {problem}"))
}

/// The same where it has to be one file.
///
/// # Errors
/// As [`place`], and the name of a data set of several files; which they are.
pub fn file(written: &Path, flag: &str) -> anyhow::Result<PathBuf> {
    let path = place(written, flag)?;
    if let Some(entry) = store::entry(&written.to_string_lossy()).filter(|_| path.is_dir()) {
        let parts: Vec<String> = entry.parts().into_iter().map(|(name, _)| name).collect();
        anyhow::ensure!(
            parts.is_empty(),
            "{flag}: `{}` is several files; name one of them: {}",
            written.display(),
            parts.join(" or ")
        );
    }
    Ok(path)
}
