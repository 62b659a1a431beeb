//! Data of a recipe, opened: generated people, texts, records or images.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use engraft_method::nearest;
use engraft_nets::Tokenizer;
use engraft_train::{
    BatchSource, TrainConfig,
    data::{
        Augment, BiographyOptions, BiographySource, DataError, Encoder, ImageSource, Images, Lists,
        Marks, Normalization, People, Record, Sampling, TextSource, read_cifar10, read_idx,
        read_jsonl, read_text, split,
    },
};
use serde_json::Value;

use super::memory;
use crate::recipe::{Complaints, Section};

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
    },
    /// Documents, or prompts with completions.
    Records {
        path: PathBuf,
        train: Vec<Record>,
        /// Empty where nothing was held out.
        test: Vec<Record>,
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

/// What a name and five facts take, their allocations too.
const BYTES_A_PERSON: f64 = 400.0;

const KINDS: [&str; 5] = ["biographies", "text", "jsonl", "cifar", "idx"];

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
        let texts = |records: &[Record]| -> Vec<String> {
            let text = |record: &Record| match record {
                Record::Text(text) => text.clone(),
                Record::Pair { prompt, completion } => format!("{prompt}{completion}"),
            };
            records.iter().map(text).collect()
        };
        match self {
            Self::Biographies { people, .. } => (people.lists.vocabulary(), true),
            Self::Text { train, test, .. } => (vec![train.clone(), test.clone()], false),
            Self::Records { train, test, .. } => ([texts(train), texts(test)].concat(), false),
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
        };
        let (encode, marks) = (encoder(tokenizer), marks(tokenizer));
        let source = BiographySource::new(people.clone(), options.clone(), encode, marks, sampling);
        source.ok().map(|source| source.longest_row())
    }

    /// Why no batches can be made of it, if none can.
    pub fn gives_no_batches(
        &self,
        tokenizer: Option<&Tokenizer>,
        train: &TrainConfig,
    ) -> Option<String> {
        let checked = match (self, tokenizer) {
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
            (Self::Text { .. } | Self::Records { .. } | Self::Biographies { .. }, None) => Ok(()),
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
        let both = [test, train].map(|text| tokenizer.encode(text).len());
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
            Self::Text { context, .. } | Self::Records { context, .. } => {
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
                ..
            } => {
                hasher.update(format!("{train}\0{test}\0{context}").as_bytes());
            }
            Self::Records {
                train,
                test,
                context,
                ..
            } => {
                hasher.update(format!("{train:?}\0{test:?}\0{context}").as_bytes());
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
            Self::Text {
                path,
                train,
                test,
                context,
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
}

impl Data {
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

struct Opener<'a> {
    section: &'a Section<'a>,
    directory: &'a Path,
    seed: u64,
}

impl Opener<'_> {
    fn biographies(&self) -> Option<Data> {
        let value = self.section.raw("biographies")?;
        let place = format!("{}.biographies", self.section.place);
        let section = Section::new(place, value, &self.section.complaints)?;
        let count: Option<usize> = section.need("people", "how many people to invent");
        let first: usize = section.get("first").unwrap_or(0);
        let lists: Lists = section.get("lists").unwrap_or_default();
        let options: BiographyOptions = BiographyOptions {
            question_share: section.get("question_share").unwrap_or(0.5),
            asked_share: section.get("asked_share").unwrap_or(0.5),
            ..section.get("rows").unwrap_or_default()
        };
        let seed = section.get("seed").unwrap_or(self.seed);
        section.finish();
        let complain = |what: &str| self.section.complaints.add(&section.place, what);
        self.kept(options.validate())?;
        let count = count?;
        if count < 2 {
            complain("people must be 2 or more");
            return None;
        }
        let Some(end) = first.checked_add(count) else {
            complain("first and people are too large together");
            return None;
        };
        if let Err(problem) = memory::check(count as f64 * BYTES_A_PERSON) {
            complain(&format!("a list of {count} people {problem}"));
            return None;
        }
        let people = self.kept(People::generate(&lists, seed, first..end))?;
        Some(Data::Biographies { people, options })
    }

    fn text(&self) -> Option<Data> {
        let path = self.path("text")?;
        let context = self.context()?;
        let held_out: f64 = self.share("held_out", 0.1)?;
        let whole = self.kept(read_text(&path))?;
        let (train, test) = match self.section.raw("test") {
            Some(_) => (whole, self.kept(read_text(&self.path("test")?))?),
            None => {
                let (train, test) = split(&whole, 1.0 - held_out);
                (train.to_owned(), test.to_owned())
            }
        };
        Some(Data::Text {
            path,
            train,
            test,
            context,
        })
    }

    fn records(&self) -> Option<Data> {
        let path = self.path("jsonl")?;
        let context = self.context()?;
        let mut train = self.kept(read_jsonl(&path))?;
        let documents = train.iter().all(|record| matches!(record, Record::Text(_)));
        let held_out = self.share("held_out", if documents { 0.1 } else { 0.0 })?;
        let test = match self.section.raw("test") {
            Some(_) => self.kept(read_jsonl(&self.path("test")?))?,
            None => {
                let kept = train.len() as f64 * (1.0 - held_out);
                train.split_off((kept.round() as usize).clamp(1, train.len()))
            }
        };
        Some(Data::Records {
            path,
            train,
            test,
            context,
        })
    }

    fn cifar(&self) -> Option<Data> {
        let path = self.path("cifar")?;
        let train = self.kept(read_cifar10(&[&path]))?;
        let test = match self.section.raw("test") {
            Some(_) => Some(self.kept(read_cifar10(&[self.path("test")?]))?),
            None => None,
        };
        self.images(
            path,
            train,
            test,
            Normalization::imagenet(),
            Augment::cifar(),
        )
    }

    fn idx(&self) -> Option<Data> {
        let value = self.section.raw("idx")?;
        let place = format!("{}.idx", self.section.place);
        let section = Section::new(place, value, &self.section.complaints)?;
        let file = |key: &str| -> Option<PathBuf> {
            let written: String = section.need(key, "an IDX file")?;
            Some(self.directory.join(written))
        };
        let paths = (file("images"), file("labels"));
        let tests = ["test_images", "test_labels"].map(|key| section.raw(key).is_some());
        let test_paths = match tests.contains(&true) {
            true => Some((file("test_images"), file("test_labels"))),
            false => None,
        };
        section.finish();
        let (images, labels) = (paths.0?, paths.1?);
        let train = self.kept(read_idx(&images, &labels))?;
        let test = match test_paths {
            Some((images, labels)) => Some(self.kept(read_idx(&images?, &labels?))?),
            None => None,
        };
        let normalization = Normalization::of(&train);
        self.images(images, train, test, normalization, Augment::default())
    }

    fn context(&self) -> Option<usize> {
        let context = self.section.get("context").unwrap_or(256);
        if context == 0 {
            self.section
                .complaints
                .add(&self.section.place, "context is 0; it must be 1 or more");
            return None;
        }
        Some(context)
    }

    fn images(
        &self,
        path: PathBuf,
        train: Images,
        test: Option<Images>,
        normalization: Normalization,
        usual: Augment,
    ) -> Option<Data> {
        let augment = match self.section.get("augment").unwrap_or(true) {
            true => usual,
            false => Augment::default(),
        };
        if let Some(problem) = test.as_ref().and_then(|test| test.strange_to(&train)) {
            self.section.complaints.add(
                &self.section.place,
                format!("the test images {problem}; use the files that belong together"),
            );
            return None;
        }
        let held_out = test.is_some();
        let train = Arc::new(train);
        let test = test.map_or_else(|| train.clone(), Arc::new);
        Some(Data::Images {
            path,
            train,
            test,
            held_out,
            normalization,
            augment,
        })
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        Some(
            self.directory
                .join(self.section.need::<String>(key, "a file")?),
        )
    }

    fn share(&self, key: &str, usual: f64) -> Option<f64> {
        let share = self.section.get(key).unwrap_or(usual);
        if (0.0..1.0).contains(&share) {
            return Some(share);
        }
        self.section.complaints.add(
            &self.section.place,
            format!("{key} is {share}; it must lie from 0 to below 1"),
        );
        None
    }

    fn kept<T>(&self, opened: Result<T, DataError>) -> Option<T> {
        opened
            .map_err(|error| self.section.complaints.add(&self.section.place, error))
            .ok()
    }
}
