//! The header of a safetensors file, read without trusting a byte of it.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    ops::Range,
};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A header may be this long at most, as in the reference implementation.
const LONGEST: u64 = 100_000_000;

/// Most dimensions of a tensor; no network here has more than four.
const MOST_DIMENSIONS: usize = 16;

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// As written: `F32`, `BF16`.
    pub dtype: String,
    pub shape: Vec<usize>,
    /// Place in the file.
    pub bytes: Range<usize>,
}

/// A header that describes its file truthfully.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    pub tensors: BTreeMap<String, Listed>,
}

/// Every way a header can lie.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("is {0} bytes long, too short for a safetensors file; download it again")]
    TooShort(usize),
    #[error(
        "says its header has {header} bytes, but the file has {file}; it is cut short or no safetensors file"
    )]
    HeaderLength { header: u64, file: usize },
    #[error("has a header that is not JSON ({0}); download it again")]
    NotJson(String),
    #[error("tensor `{tensor}`: {problem}; the file is damaged")]
    Tensor { tensor: String, problem: String },
    #[error("tensors `{0}` and `{1}` overlap; the file is damaged")]
    Overlap(String, String),
    #[error(
        "ends after {file} bytes, tensor `{tensor}` needs {needed}; the file is cut short, download it again"
    )]
    Truncated {
        tensor: String,
        needed: usize,
        file: usize,
    },
}

/// Reads and checks the header of a whole file's bytes.
pub fn check_header(file: &[u8]) -> Result<Header, HeaderError> {
    let (length, rest) = file
        .split_first_chunk::<8>()
        .ok_or(HeaderError::TooShort(file.len()))?;
    let length = u64::from_le_bytes(*length);
    if length > LONGEST || length > rest.len() as u64 {
        return Err(HeaderError::HeaderLength {
            header: length,
            file: file.len(),
        });
    }
    let start = 8 + length as usize;
    let Written(written) = serde_json::from_slice(&file[8..start])
        .map_err(|error| HeaderError::NotJson(error.to_string()))?;
    let mut header = Header::default();
    for (name, place) in written {
        let listed = listed(&name, place, start, file.len())?;
        header.tensors.insert(name, listed);
    }
    let mut places: Vec<(&Range<usize>, &String)> = header
        .tensors
        .iter()
        .map(|(name, listed)| (&listed.bytes, name))
        .collect();
    places.sort_by_key(|(bytes, _)| (bytes.start, bytes.end));
    for pair in places.windows(2) {
        if pair[1].0.start < pair[0].0.end {
            return Err(HeaderError::Overlap(pair[0].1.clone(), pair[1].1.clone()));
        }
    }
    Ok(header)
}

/// A header as written, its tensors by name. Read straight into this form: a tree of JSON values
/// takes many times the memory of its text.
struct Written(BTreeMap<String, Place>);

#[derive(Deserialize)]
struct Place {
    dtype: Option<String>,
    shape: Option<Lengths>,
    data_offsets: Option<Lengths>,
}

/// A short list of numbers.
struct Lengths(Vec<usize>);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tensors;
        impl<'de> Visitor<'de> for Tensors {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
                let mut tensors = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    match tensors.entry(name) {
                        Entry::Vacant(entry) => entry.insert(map.next_value()?),
                        Entry::Occupied(entry) => {
                            let name = entry.key();
                            return Err(A::Error::custom(format!("tensor `{name}` stands twice")));
                        }
                    };
                }
                Ok(Written(tensors))
            }
        }
        deserializer.deserialize_map(Tensors)
    }
}

impl<'de> Deserialize<'de> for Lengths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl<'de> Visitor<'de> for Numbers {
            type Value = Lengths;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MOST_DIMENSIONS} numbers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Lengths, A::Error> {
                let mut numbers = Vec::new();
                while let Some(number) = list.next_element()? {
                    if numbers.len() == MOST_DIMENSIONS {
                        return Err(A::Error::invalid_length(numbers.len() + 1, &self));
                    }
                    numbers.push(number);
                }
                Ok(Lengths(numbers))
            }
        }
        deserializer.deserialize_seq(Numbers)
    }
}

fn listed(name: &str, place: Place, start: usize, file: usize) -> Result<Listed, HeaderError> {
    let fail = |problem: &str| HeaderError::Tensor {
        tensor: name.to_owned(),
        problem: problem.to_owned(),
    };
    let dtype = place.dtype.ok_or_else(|| fail("has no dtype"))?;
    let Lengths(shape) = place.shape.ok_or_else(|| fail("has no shape"))?;
    let offsets = place
        .data_offsets
        .ok_or_else(|| fail("has no data_offsets"))?;
    let [from, to] = offsets.0[..] else {
        return Err(fail("has data_offsets that are not a pair"));
    };
    let width = width(&dtype).ok_or_else(|| fail("has an unknown dtype"))?;
    let size = shape
        .iter()
        .try_fold(width, |size, &length| size.checked_mul(length))
        .ok_or_else(|| fail("has a shape larger than any memory"))?;
    if from > to || to - from != size {
        return Err(fail("has data_offsets that do not fit its shape"));
    }
    let end = start
        .checked_add(to)
        .ok_or_else(|| fail("has data_offsets beyond any file"))?;
    if end > file {
        return Err(HeaderError::Truncated {
            tensor: name.to_owned(),
            needed: end,
            file,
        });
    }
    Ok(Listed {
        dtype,
        shape,
        bytes: start + from..end,
    })
}

/// Bytes a number.
fn width(dtype: &str) -> Option<usize> {
    Some(match dtype {
        "F64" | "I64" | "U64" => 8,
        "F32" | "I32" | "U32" => 4,
        "F16" | "BF16" | "I16" | "U16" => 2,
        "I8" | "U8" | "BOOL" | "F8_E4M3" | "F8_E5M2" => 1,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    }

    #[test]
    fn every_lie_is_named() {
        let two = |a: &str, b: &str| {
            format!(
                r#"{{"a":{{"dtype":"F32","shape":[2],"data_offsets":{a}}},"b":{{"dtype":"F32","shape":[2],"data_offsets":{b}}}}}"#
            )
        };
        assert!(check_header(&file(&two("[0,8]", "[8,16]"), 16)).is_ok());
        let cases: [(Vec<u8>, &str); 11] = [
            (vec![0; 5], "too short"),
            ((1u64 << 60).to_le_bytes().repeat(2), "says its header has"),
            (file("{", 0), "not JSON"),
            (file("[]", 0), "a mapping of tensors"),
            (file(r#"{"a":{},"a":{}}"#, 0), "tensor `a` stands twice"),
            (
                file(&format!(r#"{{"a":{{"shape":{:?}}}}}"#, [1; 17]), 0),
                "at most 16 numbers",
            ),
            (file(&two("[0,8]", "[4,12]"), 16), "overlap"),
            (file(&two("[0,8]", "[8,16]"), 15), "cut short"),
            (file(&two("[0,8]", "[16,8]"), 16), "do not fit"),
            (
                file(r#"{"a":{"dtype":"X","shape":[1],"data_offsets":[0,1]}}"#, 1),
                "unknown dtype",
            ),
            (
                file(
                    r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
                    0,
                ),
                "larger than any memory",
            ),
        ];
        for (bytes, problem) in cases {
            let message = check_header(&bytes).unwrap_err().to_string();
            assert!(message.contains(problem), "{problem}: {message}");
        }
    }
}
