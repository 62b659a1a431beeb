//! Data of a recipe, opened: generated people, texts, records or images.

mod open;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use engraft_method::nearest;
use engraft_nets::Tokenizer;
use engraft_train::{
    BatchSource, TrainConfig,
    data::{
        Augment, BiographyOptions, BiographySource, DataError, Encoder, Fact, FactReader,
        ImageSource, Images, Marks, Normalization, People, Record, Sampling, TextSource,
    },
};
use serde_json::Value;

use crate::recipe::{Complaints, Section};
use open::Opener;

/// A data set with its held-out part.
pub enum Data {
    /// Invented people, everything about them known.
    Biographies {
        people: People,
        options: BiographyOptions,
    },
    /// One long text.
    Text {
        path: PathBuf,
        train: String,
        test: String,
        context: usize,
        /// Windows to measure on at most.
        measure: usize,
    },
    /// Documents, or prompts with completions.
    Records {
        path: PathBuf,
        train: Vec<Record>,
        /// Empty where nothing was held out.
        test: Vec<Record>,
        context: usize,
        /// Records to measure on at most.
        measure: usize,
    },
    /// Facts to teach, with ways to measure them.
    Facts {
        /// A file, or how they were invented.
        origin: String,
        facts: Vec<Fact>,
        context: usize,
    },
    Images {
        path: PathBuf,
        train: Arc<Images>,
        /// Equal to `train` where nothing was held out.
        test: Arc<Images>,
        held_out: bool,
        normalization: Normalization,
        augment: Augment,
    },
}

const KINDS: [&str; 7] = [
    "biographies",
    "facts",
    "general",
    "text",
    "jsonl",
    "cifar",
    "idx",
];

impl Data {
    /// Opens what a recipe writes under `data`; relative paths start at `directory`.
    pub fn open(
        place: &str,
        value: &Value,
        directory: &Path,
        seed: u64,
        complaints: &Complaints,
    ) -> Option<Self> {
        let section = Section::new(place, value, complaints)?;
        let kinds: Vec<&str> = KINDS
            .into_iter()
            .filter(|kind| section.raw(kind).is_some())
            .collect();
        let opener = Opener {
            section: &section,
            directory,
            seed,
        };
        let opened = match kinds[..] {
            ["biographies"] => opener.biographies(),
            ["facts"] => opener.facts(),
            ["general"] => opener.general(),
            ["text"] => opener.text(),
            ["jsonl"] => opener.records(),
            ["cifar"] => opener.cifar(),
            ["idx"] => opener.idx(),
            _ => {
                let typed: Vec<&String> = section.keys().collect();
                let problem = format!("must have exactly one of the keys {}", KINDS.join(", "));
                let hint = match typed[..] {
                    [only] if kinds.is_empty() => nearest(only, KINDS),
                    _ => None,
                };
                complaints.add(
                    place,
                    match hint {
                        Some(kind) => format!("{problem}; did you mean `{kind}`?"),
                        None => problem,
                    },
                );
                return None;
            }
        };
        section.finish();
        opened
    }

    /// Whether a causal language model can read it.
    pub fn is_text(&self) -> bool {
        !matches!(self, Self::Images { .. })
    }

    /// Number of fixed samples; generated texts are different at every exposure.
    pub fn samples(&self) -> Option<usize> {
        match self {
            Self::Biographies { .. } | Self::Text { .. } => None,
            Self::Records { train, .. } => Some(train.len()),
            Self::Facts { facts, .. } => Some(facts.len()),
            Self::Images { train, .. } => Some(train.labels.len()),
        }
    }

    /// Number of classes and the shape `[channels, height, width]` of images.
    pub fn image_shape(&self) -> Option<(usize, [usize; 3])> {
        match self {
            Self::Images { train, .. } => {
                let [_, channels, height, width] = train.shape;
                Some((train.classes, [channels, height, width]))
            }
            _ => None,
        }
    }

    /// All words or texts a fresh vocabulary must cover, and whether it is one of words.
    pub fn vocabulary(&self) -> (Vec<String>, bool) {
        let texts = |records: &[Record]| records.iter().map(Record::text).collect::<Vec<_>>();
        match self {
            Self::Biographies { people, .. } => (people.lists.vocabulary(), true),
            Self::Text { train, test, .. } => (vec![train.clone(), test.clone()], false),
            Self::Records { train, test, .. } => ([texts(train), texts(test)].concat(), false),
            Self::Facts { facts, .. } => {
                let texts = facts.iter().map(serde_json::to_string);
                (texts.filter_map(Result::ok).collect(), false)
            }
            Self::Images { .. } => (Vec::new(), false),
        }
    }

    /// The most tokens of a row, where rows cannot be cut to a model's context.
    pub fn longest_row(&self, tokenizer: &Tokenizer) -> Option<usize> {
        let Self::Biographies { people, options } = self else {
            return None;
        };
        let sampling = Sampling {
            seed: 0,
            batch: 1,
            accumulate: 1,
            by_length: false,
        };
        let (encode, marks) = (encoder(tokenizer), marks(tokenizer));
        let source = BiographySource::new(people.clone(), options.clone(), encode, marks, sampling);
        source.ok().map(|source| source.longest_row())
    }

    /// Whether what is measured on is what would be trained on, without being marked so.
    pub fn measures_what_it_trains(&self) -> bool {
        match self {
            Self::Text { train, test, .. } => train == test,
            Self::Records { train, test, .. } => train == test,
            _ => false,
        }
    }

    /// Why no batches can be made of it, if none can. With `whole`, facts are predicted to their end.
    pub fn gives_no_batches(
        &self,
        tokenizer: Option<&Tokenizer>,
        train: &TrainConfig,
        whole: bool,
    ) -> Option<String> {
        let checked = match (self, tokenizer) {
            (Self::Facts { facts, context, .. }, Some(tokenizer)) => {
                fact_reader(tokenizer, whole).check(facts, *context)
            }
            (
                Self::Text {
                    path,
                    train,
                    context,
                    ..
                },
                Some(tokenizer),
            ) => TextSource::check_text(path, train, &encoder(tokenizer), *context),
            (Self::Records { train, context, .. }, Some(tokenizer)) => {
                let (encode, marks) = (encoder(tokenizer), marks(tokenizer));
                TextSource::check_records(train, &encode, marks, *context)
            }
            // A text without a tokenizer has the complaint of its model.
            (
                Self::Text { .. }
                | Self::Records { .. }
                | Self::Facts { .. }
                | Self::Biographies { .. },
                None,
            ) => Ok(()),
            _ => self.source(tokenizer, train).map(drop),
        };
        checked.err().map(|error| error.to_string())
    }

    /// Why nothing can be measured on it, if nothing can.
    pub fn measures_nothing(&self, tokenizer: &Tokenizer) -> Option<String> {
        let Self::Text {
            path, train, test, ..
        } = self
        else {
            return None;
        };
        // The beginning is enough to find two tokens in.
        let beginning = |text: &String| text[..text.floor_char_boundary(4096)].to_owned();
        let both = [test, train].map(|text| tokenizer.encode(&beginning(text)).len());
        (both[0] < 2 && both[1] < 2).then(|| {
            format!(
                "{}: holds fewer than 2 tokens; give a longer text",
                path.display()
            )
        })
    }

    /// Windows of a text longer than a model's context are cut to it.
    pub fn limit_context(&mut self, limit: usize) {
        match self {
            Self::Text { context, .. }
            | Self::Records { context, .. }
            | Self::Facts { context, .. } => {
                *context = (*context).min(limit);
            }
            _ => {}
        }
    }

    /// A hash of the contents.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        match self {
            Self::Biographies { people, options } => {
                hasher.update(format!("{people:?} {options:?}").as_bytes());
            }
            Self::Text {
                train,
                test,
                context,
                measure,
                ..
            } => {
                hasher.update(format!("{train}\0{test}\0{context} {measure}").as_bytes());
            }
            Self::Records {
                train,
                test,
                context,
                measure,
                ..
            } => {
                hasher.update(format!("{train:?}\0{test:?}\0{context} {measure}").as_bytes());
            }
            Self::Facts { facts, context, .. } => {
                hasher.update(format!("{facts:?}\0{context}").as_bytes());
            }
            Self::Images {
                train,
                test,
                augment,
                ..
            } => {
                hasher.update(&train.pixels).update(&train.labels);
                hasher.update(&test.pixels).update(&test.labels);
                hasher.update(format!("{augment:?}").as_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    /// One clause for the plan.
    pub fn summary(&self) -> String {
        match self {
            Self::Biographies { people, options } => format!(
                "{} invented people, questions about {:.0} % of them",
                people.people.len(),
                options.asked_share * 100.0
            ),
            Self::Facts { origin, facts, .. } => {
                let rows: usize = facts
                    .iter()
                    .map(|fact| fact.taught().count() + fact.dialogues.len())
                    .sum();
                format!("{origin}: {} facts in {rows} texts", facts.len())
            }
            Self::Text {
                path,
                train,
                test,
                context,
                ..
            } => format!(
                "{}: {} bytes to train on, {} held out, windows of {context} tokens",
                path.display(),
                train.len(),
                test.len()
            ),
            Self::Records {
                path, train, test, ..
            } => {
                format!(
                    "{}: {} records, {} held out",
                    path.display(),
                    train.len(),
                    test.len()
                )
            }
            Self::Images {
                path,
                train,
                test,
                held_out,
                ..
            } => {
                let tested = if *held_out { test.labels.len() } else { 0 };
                format!(
                    "{}: {} images, {tested} held out",
                    path.display(),
                    train.labels.len()
                )
            }
        }
    }

    /// Training batches.
    pub fn source(
        &self,
        tokenizer: Option<&Tokenizer>,
        train: &TrainConfig,
    ) -> Result<Box<dyn BatchSource>, DataError> {
        let sampling = Sampling::from(train);
        let text = || {
            let tokenizer = tokenizer.expect("the plan gives every recipe with text a tokenizer");
            (encoder(tokenizer), marks(tokenizer))
        };
        Ok(match self {
            Self::Biographies { people, options } => {
                let (encode, marks) = text();
                let people = people.clone();
                Box::new(BiographySource::new(
                    people,
                    options.clone(),
                    encode,
                    marks,
                    sampling,
                )?)
            }
            Self::Text {
                path,
                train,
                context,
                ..
            } => {
                let (encode, marks) = text();
                Box::new(TextSource::from_text(
                    path, train, &encode, marks, *context, sampling,
                )?)
            }
            Self::Records { train, context, .. } => {
                let (encode, marks) = text();
                Box::new(TextSource::from_records(
                    train, &encode, marks, *context, sampling,
                )?)
            }
            Self::Facts { facts, context, .. } => {
                let tokenizer = tokenizer.expect("the plan gives every recipe with text one");
                Box::new(facts_source(facts, tokenizer, *context, false, sampling)?)
            }
            Self::Images {
                train,
                normalization,
                augment,
                ..
            } => Box::new(ImageSource::new(
                train.clone(),
                normalization,
                *augment,
                sampling,
            )?),
        })
    }

    /// Batches of the held-out part to watch during training, where there is one.
    pub fn held_out(
        &self,
        tokenizer: Option<&Tokenizer>,
        train: &TrainConfig,
    ) -> Result<Option<Box<dyn BatchSource>>, DataError> {
        if train.eval_every == 0 {
            return Ok(None);
        }
        let sampling = Sampling::from(train);
        let text = tokenizer.map(|tokenizer| (encoder(tokenizer), marks(tokenizer)));
        Ok(match (self, text) {
            (
                Self::Text {
                    path,
                    test,
                    context,
                    ..
                },
                Some((encode, marks)),
            ) if !test.is_empty() => Some(Box::new(TextSource::from_text(
                path, test, &encode, marks, *context, sampling,
            )?)),
            (Self::Records { test, context, .. }, Some((encode, marks))) if !test.is_empty() => {
                let source = TextSource::from_records(test, &encode, marks, *context, sampling)?;
                Some(Box::new(source))
            }
            (
                Self::Images {
                    test,
                    held_out: true,
                    normalization,
                    ..
                },
                _,
            ) => {
                let plain = Augment::default();
                let source = ImageSource::new(test.clone(), normalization, plain, sampling)?;
                Some(Box::new(source))
            }
            _ => None,
        })
    }
}

/// Batches of facts; with `whole` every token is predicted, not only the answer.
pub fn facts_source(
    facts: &[Fact],
    tokenizer: &Tokenizer,
    context: usize,
    whole: bool,
    sampling: Sampling,
) -> Result<TextSource, DataError> {
    let rows = fact_reader(tokenizer, whole).rows(facts, context)?;
    Ok(TextSource::new(rows, marks(tokenizer), sampling))
}

/// How facts become tokens of a model.
pub fn fact_reader(tokenizer: &Tokenizer, whole: bool) -> FactReader {
    FactReader {
        encode: encoder(tokenizer),
        marks: marks(tokenizer),
        chat: tokenizer.chat().cloned(),
        whole,
    }
}

/// The tokenizer as the data code takes it.
pub fn encoder(tokenizer: &Tokenizer) -> Encoder {
    let tokenizer = tokenizer.clone();
    Arc::new(move |text: &str| tokenizer.encode(text))
}

/// The marks that stand before and after every document.
pub fn marks(tokenizer: &Tokenizer) -> Marks {
    Marks {
        start: tokenizer.start_of_text(),
        end: Some(tokenizer.end_of_text()),
        padding: tokenizer.pad(),
    }
}
