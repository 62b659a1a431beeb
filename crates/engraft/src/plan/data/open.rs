//! Opening what a recipe writes under `data`, one kind after the other.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use engraft_train::data::{
    Augment, BiographyOptions, Columns, DataError, Images, Lists, Normalization, People, Record,
    general, invented, read_cifar10, read_facts, read_idx, read_jsonl, read_text, split,
};

use super::Data;
use crate::{plan::memory, recipe::Section, store};

/// What a name and five facts take, their allocations too.
const BYTES_A_PERSON: f64 = 400.0;

/// A section under `data`, and what its paths and drawings start from.
pub(super) struct Opener<'a> {
    pub section: &'a Section<'a>,
    pub directory: &'a Path,
    pub seed: u64,
}

impl Opener<'_> {
    pub fn biographies(&self) -> Option<Data> {
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

    /// `facts: FILE`, or `facts: { invented: 20 }`.
    pub fn facts(&self) -> Option<Data> {
        let context = self.context()?;
        let value = self.section.raw("facts")?;
        if value.is_string() {
            let path = self.path("facts")?;
            let facts = self.kept(read_facts(&path))?;
            let origin = path.display().to_string();
            return Some(Data::Facts {
                origin,
                facts,
                context,
            });
        }
        let place = format!("{}.facts", self.section.place);
        let section = Section::new(place, value, &self.section.complaints)?;
        let count: Option<usize> = section.need("invented", "how many facts to invent");
        let seed = section.get("seed").unwrap_or(self.seed);
        section.finish();
        let (count, most) = (count?, invented::most());
        if !(1..=most).contains(&count) {
            let problem = format!("invented is {count}; it must lie from 1 to {most}");
            self.section.complaints.add(&section.place, problem);
            return None;
        }
        Some(Data::Facts {
            origin: format!("invented with seed {seed}"),
            facts: invented::invent(count, seed),
            context,
        })
    }

    /// `general: true`: the passages that travel with the program.
    pub fn general(&self) -> Option<Data> {
        let context = self.context()?;
        if self.section.get::<bool>("general") != Some(true) {
            let place = &self.section.place;
            self.section.complaints.add(place, "write `general: true`");
            return None;
        }
        let document = |text: &&str| Record::Text((*text).to_owned());
        Some(Data::Records {
            path: PathBuf::from("built-in passages"),
            train: general::TO_CALIBRATE.iter().map(document).collect(),
            test: general::TO_MEASURE.iter().map(document).collect(),
            context,
            measure: self.measure()?,
        })
    }

    pub fn text(&self) -> Option<Data> {
        let path = self.path("text")?;
        let context = self.context()?;
        let measure = self.measure()?;
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
            measure,
        })
    }

    pub fn records(&self) -> Option<Data> {
        let path = self.path("jsonl")?;
        let context = self.context()?;
        let measure = self.measure()?;
        let columns = self.columns()?;
        let columns = columns.as_ref();
        let mut train = self.kept(read_jsonl(&path, columns))?;
        let documents = train.iter().all(|record| matches!(record, Record::Text(_)));
        let held_out = self.share("held_out", if documents { 0.1 } else { 0.0 })?;
        let test = match self.section.raw("test") {
            Some(_) => self.kept(read_jsonl(&self.path("test")?, columns))?,
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
            measure,
        })
    }

    /// `prompt: "{a}", completion: " {b}"`, where a file has other keys than these two.
    fn columns(&self) -> Option<Option<Columns>> {
        let template = |key: &str| self.section.get::<String>(key);
        match (template("prompt"), template("completion")) {
            (None, None) => Some(None),
            (Some(prompt), Some(completion)) => Some(Some(Columns { prompt, completion })),
            _ => {
                let problem = "`prompt` and `completion` say together where a record's texts stand; \
                               give both";
                self.section.complaints.add(&self.section.place, problem);
                None
            }
        }
    }

    /// `measure: 200`: how many windows or records are measured on; without it all are.
    fn measure(&self) -> Option<usize> {
        let measure = self.section.get("measure").unwrap_or(usize::MAX);
        if measure == 0 {
            let place = &self.section.place;
            self.section
                .complaints
                .add(place, "measure is 0; it must be 1 or more");
            return None;
        }
        Some(measure)
    }

    pub fn cifar(&self) -> Option<Data> {
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

    pub fn idx(&self) -> Option<Data> {
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

    /// A file, or the name of a data set that `engraft pull` brought here.
    fn path(&self, key: &str) -> Option<PathBuf> {
        let written: String = self.section.need(key, "a file")?;
        store::place(self.directory, Path::new(&written))
            .map_err(|problem| {
                let problem = format!("{key}: {problem}");
                self.section.complaints.add(&self.section.place, problem);
            })
            .ok()
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
