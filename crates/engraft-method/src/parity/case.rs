//! One case: its inputs, hyperparameters and expected outputs, read from `cases.json`.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde_json::Value;

/// What can be wrong with a folder of cases, or with a check's reading of one.
#[derive(Debug, thiserror::Error)]
pub enum ParityError {
    #[error("{path}: {reason}")]
    File { path: PathBuf, reason: String },
    #[error("the case has no input `{0}`")]
    MissingInput(String),
    #[error("the case has no hyperparameter `{0}`")]
    MissingHyperparameter(String),
    #[error("{0}")]
    Computation(String),
    /// Weights that are not part of the repository; the case is told of and does not count.
    #[error("did not run: {0}")]
    Absent(String),
}

/// Numbers with a shape, kept in double precision whatever the file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
    /// Integers and booleans are compared exactly.
    pub integer: bool,
}

impl Tensor {
    /// As 32-bit floats, row-major.
    pub fn f32(&self) -> Vec<f32> {
        self.values.iter().map(|&x| x as f32).collect()
    }

    /// As integers.
    pub fn i64(&self) -> Vec<i64> {
        self.values.iter().map(|&x| x as i64).collect()
    }

    /// All dimensions but the last multiplied, and the last: `[B, L, V]` as `[rows, V]`.
    pub fn rows(&self) -> [usize; 2] {
        let last = self.shape.last().copied().unwrap_or(1);
        [self.values.len() / last.max(1), last]
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Tolerance {
    pub abs: f64,
    pub rel: f64,
}

impl Tolerance {
    fn parse(value: &Value) -> Option<Self> {
        if value == "exact" {
            return Some(Self { abs: 0.0, rel: 0.0 });
        }
        Some(Self {
            abs: value.get("abs")?.as_f64()?,
            rel: value.get("rel")?.as_f64()?,
        })
    }
}

/// An operation with inputs and the outputs the official implementation gave.
pub struct Case {
    pub slug: String,
    pub name: String,
    pub kind: String,
    /// The outputs contain a quirk of the official code that the default does not follow.
    pub compat: bool,
    hyperparameters: BTreeMap<String, Value>,
    read: RefCell<BTreeSet<String>>,
    inputs: BTreeMap<String, Tensor>,
    document: Value,
    pub(super) expected: BTreeMap<String, (Tensor, Tolerance)>,
    pub(super) computed: BTreeMap<String, Vec<f64>>,
}

impl Case {
    pub fn input(&self, name: &str) -> Result<&Tensor, ParityError> {
        self.inputs
            .get(name)
            .ok_or_else(|| ParityError::MissingInput(name.to_owned()))
    }

    /// A number among the hyperparameters.
    pub fn number(&self, name: &str) -> Result<f64, ParityError> {
        self.hyper(name)?
            .as_f64()
            .ok_or_else(|| ParityError::MissingHyperparameter(format!("{name} as a number")))
    }

    pub fn flag(&self, name: &str) -> Result<bool, ParityError> {
        self.hyper(name)?
            .as_bool()
            .ok_or_else(|| ParityError::MissingHyperparameter(format!("{name} as a flag")))
    }

    /// A list of numbers among the hyperparameters.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, ParityError> {
        self.hyper(name)?
            .as_array()
            .and_then(|list| list.iter().map(Value::as_f64).collect())
            .ok_or_else(|| ParityError::MissingHyperparameter(format!("{name} as numbers")))
    }

    /// The content of a case whose file is JSON: inputs and wanted outputs, for the check to compare.
    pub fn document(&self) -> Result<&Value, ParityError> {
        match &self.document {
            Value::Null => Err(ParityError::MissingInput("a JSON file".to_owned())),
            document => Ok(document),
        }
    }

    /// What stands under one key of that file.
    pub fn entry(&self, key: &str) -> Result<&Value, ParityError> {
        let entry = self.document()?.get(key);
        entry.ok_or_else(|| ParityError::MissingInput(key.to_owned()))
    }

    /// A hyperparameter as it is written, a configuration for example.
    pub fn json(&self, name: &str) -> Result<&Value, ParityError> {
        self.hyper(name)
    }

    fn hyper(&self, name: &str) -> Result<&Value, ParityError> {
        self.read.borrow_mut().insert(name.to_owned());
        self.hyperparameters
            .get(name)
            .ok_or_else(|| ParityError::MissingHyperparameter(name.to_owned()))
    }

    /// What an output should be, for one that is only defined up to the tolerance of another: the
    /// order of near ties.
    pub fn wanted(&self, name: &str) -> Option<&Tensor> {
        self.expected.get(name).map(|(tensor, _)| tensor)
    }

    /// Records a computed output.
    pub fn output(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = f64>) {
        self.computed
            .insert(name.into(), values.into_iter().collect());
    }

    /// The same from 32-bit floats.
    pub fn output_f32(&mut self, name: impl Into<String>, values: &[f32]) {
        self.output(name, values.iter().map(|&x| f64::from(x)));
    }

    /// Hyperparameters that no check has read.
    pub(super) fn unread(&self) -> Vec<&str> {
        let read = self.read.borrow();
        self.hyperparameters
            .keys()
            .filter(|key| !read.contains(*key))
            .map(String::as_str)
            .collect()
    }
}

#[derive(Deserialize)]
struct Listing {
    cases: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    kind: String,
    file: String,
    compat: bool,
    hyperparameters: BTreeMap<String, Value>,
    tolerance: Value,
    tensors: BTreeMap<String, ListedTensor>,
}

#[derive(Deserialize)]
struct ListedTensor {
    dtype: String,
    shape: Vec<usize>,
    role: String,
    tolerance: Option<Value>,
}

/// Reads all cases of a folder; a listed tensor that is missing or different is an error.
pub fn load(directory: &Path, slug: &str) -> Result<Vec<Case>, ParityError> {
    let path = directory.join("cases.json");
    let fail = |path: &Path, reason: String| ParityError::File {
        path: path.to_owned(),
        reason,
    };
    let text = std::fs::read(&path).map_err(|error| fail(&path, error.to_string()))?;
    let listing: Listing =
        serde_json::from_slice(&text).map_err(|error| fail(&path, error.to_string()))?;
    if listing.cases.is_empty() {
        return Err(fail(&path, "lists no cases".to_owned()));
    }
    listing
        .cases
        .into_iter()
        .map(|listed| {
            let file = directory.join(&listed.file);
            let bytes = std::fs::read(&file).map_err(|error| fail(&file, error.to_string()))?;
            if listed.file.ends_with(".json") {
                let document = serde_json::from_slice(&bytes);
                let document = document.map_err(|error| fail(&file, error.to_string()))?;
                return Ok(whole(listed, slug, document));
            }
            let tensors =
                SafeTensors::deserialize(&bytes).map_err(|error| fail(&file, error.to_string()))?;
            build(listed, slug, &tensors).map_err(|reason| fail(&file, reason))
        })
        .collect()
}

fn build(listed: Listed, slug: &str, tensors: &SafeTensors<'_>) -> Result<Case, String> {
    let default = Tolerance::parse(&listed.tolerance).ok_or("unreadable tolerance")?;
    let mut inputs = BTreeMap::new();
    let mut expected = BTreeMap::new();
    for (name, about) in &listed.tensors {
        let tensor = read(tensors, name, about)?;
        match about.role.as_str() {
            "input" => {
                inputs.insert(name.clone(), tensor);
            }
            "output" => {
                let tolerance = match &about.tolerance {
                    Some(own) => Tolerance::parse(own).ok_or("unreadable tolerance")?,
                    None => default,
                };
                expected.insert(name.clone(), (tensor, tolerance));
            }
            other => return Err(format!("tensor `{name}` has unknown role `{other}`")),
        }
    }
    Ok(Case {
        inputs,
        expected,
        ..whole(listed, slug, Value::Null)
    })
}

/// A case without tensors.
fn whole(listed: Listed, slug: &str, document: Value) -> Case {
    Case {
        slug: slug.to_owned(),
        name: listed.name,
        kind: listed.kind,
        compat: listed.compat,
        hyperparameters: listed.hyperparameters,
        read: RefCell::default(),
        inputs: BTreeMap::new(),
        document,
        expected: BTreeMap::new(),
        computed: BTreeMap::new(),
    }
}

fn read(tensors: &SafeTensors<'_>, name: &str, about: &ListedTensor) -> Result<Tensor, String> {
    let view = tensors
        .tensor(name)
        .map_err(|_| format!("tensor `{name}` is listed but not in the file"))?;
    if view.shape() != about.shape {
        return Err(format!(
            "tensor `{name}` has shape {:?}, listed as {:?}",
            view.shape(),
            about.shape
        ));
    }
    let (values, dtype) = numbers(view.dtype(), view.data())
        .ok_or_else(|| format!("tensor `{name}` has unsupported dtype {:?}", view.dtype()))?;
    if dtype != about.dtype {
        return Err(format!(
            "tensor `{name}` is {dtype}, listed as {}",
            about.dtype
        ));
    }
    Ok(Tensor {
        shape: about.shape.clone(),
        values,
        integer: !dtype.starts_with("float"),
    })
}

fn numbers(dtype: Dtype, data: &[u8]) -> Option<(Vec<f64>, &'static str)> {
    macro_rules! decode {
        ($t:ty, $name:literal) => {
            decode!($t, $name, |number| number as f64)
        };
        ($t:ty, $name:literal, $double:expr) => {{
            let values = data
                .chunks_exact(size_of::<$t>())
                .map(|bytes| <$t>::from_le_bytes(bytes.try_into().expect("chunk of that size")))
                .map($double)
                .collect();
            Some((values, $name))
        }};
    }
    match dtype {
        Dtype::F16 => decode!(half::f16, "float16", half::f16::to_f64),
        Dtype::F32 => decode!(f32, "float32"),
        Dtype::F64 => decode!(f64, "float64"),
        Dtype::I32 => decode!(i32, "int32"),
        Dtype::I64 => decode!(i64, "int64"),
        Dtype::U8 => decode!(u8, "uint8"),
        Dtype::BOOL => Some((data.iter().map(|&byte| f64::from(byte)).collect(), "bool")),
        _ => None,
    }
}
