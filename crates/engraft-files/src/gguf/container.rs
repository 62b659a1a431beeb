//! The file's frame: magic, metadata, the list of tensors. Every length is checked against the bytes
//! that are there before anything is allocated for it.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::Format;

/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meta {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Flag(bool),
    Text(String),
    List(Vec<Meta>),
}

impl Meta {
    pub fn number(&self) -> Option<f64> {
        match *self {
            Self::Unsigned(value) => Some(value as f64),
            Self::Signed(value) => Some(value as f64),
            Self::Float(value) => Some(value),
            _ => None,
        }
    }

    pub fn count(&self) -> Option<u64> {
        match *self {
            Self::Unsigned(value) => Some(value),
            Self::Signed(value) => u64::try_from(value).ok(),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn list(&self) -> Option<&[Meta]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }
}

/// Where a tensor lies and how it is written.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    /// Row-major, as everywhere else here: the file lists the fastest dimension first.
    pub shape: Vec<usize>,
    pub format: Format,
    /// In the whole file.
    pub bytes: Range<usize>,
}

impl Listed {
    pub fn numbers(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Everything but the numbers.
pub(super) struct Container {
    pub metadata: BTreeMap<String, Meta>,
    pub tensors: BTreeMap<String, Listed>,
}

/// Most dimensions a tensor has.
const DIMENSIONS: u32 = 4;
/// Lists may hold lists, but not without end.
const DEPTH: usize = 4;

/// Reads the frame of a file; what is wrong is said in one clause.
pub(super) fn read(file: &[u8]) -> Result<Container, String> {
    let mut cursor = Cursor { file, at: 0 };
    if cursor.take(4)? != b"GGUF" {
        return Err("does not start with GGUF; it is another kind of file".to_owned());
    }
    match cursor.u32()? {
        2 | 3 => {}
        version => return Err(format!("is GGUF of version {version}; known are 2 and 3")),
    }
    let (tensors, entries) = (cursor.u64()?, cursor.u64()?);
    let mut metadata = BTreeMap::new();
    for _ in 0..entries {
        let key = cursor.text()?;
        let kind = cursor.u32()?;
        let value = cursor
            .value(kind, DEPTH)
            .map_err(|error| format!("`{key}`: {error}"))?;
        metadata.insert(key, value);
    }
    let mut listed = Vec::new();
    for _ in 0..tensors {
        listed.push(cursor.tensor()?);
    }
    let alignment = metadata
        .get("general.alignment")
        .map_or(Some(32), Meta::count);
    let alignment = alignment
        .and_then(|alignment| usize::try_from(alignment).ok())
        .filter(|alignment| alignment.is_power_of_two() && *alignment <= 1 << 20)
        .ok_or("`general.alignment` is no power of two")?;
    let start = cursor.at.next_multiple_of(alignment);
    let mut placed = BTreeMap::new();
    for (name, shape, format, offset) in listed {
        let bytes = place(&shape, format, start, offset, file.len())
            .ok_or_else(|| format!("tensor `{name}` lies outside the file; download it again"))?;
        let row = shape.last().copied().unwrap_or(1);
        if row % format.block() != 0 {
            return Err(format!(
                "tensor `{name}` has rows of {row}, which its blocks of {} do not divide",
                format.block()
            ));
        }
        let tensor = Listed {
            shape,
            format,
            bytes,
        };
        if placed.insert(name.clone(), tensor).is_some() {
            return Err(format!("tensor `{name}` is listed twice"));
        }
    }
    Ok(Container {
        metadata,
        tensors: placed,
    })
}

fn place(
    shape: &[usize],
    format: Format,
    start: usize,
    offset: u64,
    end: usize,
) -> Option<Range<usize>> {
    let numbers = shape
        .iter()
        .try_fold(1usize, |numbers, &side| numbers.checked_mul(side))?;
    let bytes = (numbers / format.block()).checked_mul(format.bytes())?;
    let first = start.checked_add(usize::try_from(offset).ok()?)?;
    let last = first.checked_add(bytes)?;
    (last <= end).then_some(first..last)
}

/// Name, shape, format and offset of a tensor.
type Entry = (String, Vec<usize>, Format, u64);

struct Cursor<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn left(&self) -> usize {
        self.file.len() - self.at
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        if count > self.left() {
            return Err("ends too early; download it again".to_owned());
        }
        let taken = &self.file[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(self.take(N)?.try_into().expect("N bytes were taken"))
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A length of things that take at least a byte each.
    fn length(&mut self) -> Result<usize, String> {
        let length = self.u64()?;
        match usize::try_from(length) {
            Ok(length) if length <= self.left() => Ok(length),
            _ => Err(format!(
                "names a length of {length}, beyond the end of the file"
            )),
        }
    }

    fn text(&mut self) -> Result<String, String> {
        let length = self.length()?;
        let bytes = self.take(length)?.to_vec();
        String::from_utf8(bytes).map_err(|_| "holds a text that is not UTF-8".to_owned())
    }

    fn value(&mut self, kind: u32, depth: usize) -> Result<Meta, String> {
        Ok(match kind {
            0 => Meta::Unsigned(self.array::<1>()?[0].into()),
            1 => Meta::Signed(i8::from_le_bytes(self.array()?).into()),
            2 => Meta::Unsigned(u16::from_le_bytes(self.array()?).into()),
            3 => Meta::Signed(i16::from_le_bytes(self.array()?).into()),
            4 => Meta::Unsigned(self.u32()?.into()),
            5 => Meta::Signed(i32::from_le_bytes(self.array()?).into()),
            6 => Meta::Float(f32::from_le_bytes(self.array()?).into()),
            7 => Meta::Flag(self.array::<1>()?[0] != 0),
            8 => Meta::Text(self.text()?),
            9 => {
                let depth = depth.checked_sub(1).ok_or("is nested too deeply")?;
                let kind = self.u32()?;
                let length = self.length()?;
                let mut list = Vec::new();
                for _ in 0..length {
                    list.push(self.value(kind, depth)?);
                }
                Meta::List(list)
            }
            10 => Meta::Unsigned(self.u64()?),
            11 => Meta::Signed(i64::from_le_bytes(self.array()?)),
            12 => Meta::Float(f64::from_le_bytes(self.array()?)),
            other => return Err(format!("has the unknown type {other}")),
        })
    }

    fn tensor(&mut self) -> Result<Entry, String> {
        let name = self.text()?;
        let dimensions = self.u32()?;
        if dimensions > DIMENSIONS {
            return Err(format!("tensor `{name}` has {dimensions} dimensions"));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let side = self.u64()?;
            shape.push(usize::try_from(side).map_err(|_| format!("tensor `{name}` is too large"))?);
        }
        shape.reverse();
        let kind = self.u32()?;
        let format = Format::of(kind).ok_or_else(|| {
            format!(
                "tensor `{name}` is of type {kind}; known are F32, F16, BF16, Q4_0, Q4_1 and Q8_0"
            )
        })?;
        Ok((name, shape, format, self.u64()?))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file of these entries and of tensors with zero bytes.
    pub(crate) fn file(
        metadata: &[(&str, u32, Vec<u8>)],
        tensors: &[(&str, [u64; 2], u32, u64)],
    ) -> Vec<u8> {
        let text = |text: &str| {
            let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
            bytes.extend(text.as_bytes());
            bytes
        };
        let mut file = b"GGUF".to_vec();
        file.extend(3u32.to_le_bytes());
        file.extend((tensors.len() as u64).to_le_bytes());
        file.extend((metadata.len() as u64).to_le_bytes());
        for (key, kind, value) in metadata {
            file.extend(text(key));
            file.extend(kind.to_le_bytes());
            file.extend(value);
        }
        for (name, dimensions, kind, offset) in tensors {
            file.extend(text(name));
            file.extend(2u32.to_le_bytes());
            dimensions
                .iter()
                .for_each(|side| file.extend(side.to_le_bytes()));
            file.extend(kind.to_le_bytes());
            file.extend(offset.to_le_bytes());
        }
        file.resize(file.len().next_multiple_of(32) + 4096, 0);
        file
    }

    fn complaint(file: &[u8]) -> String {
        read(file).err().unwrap_or_default()
    }

    #[test]
    fn a_whole_file_is_listed_with_rows_last() {
        let file = file(
            &[("a", 4, 7u32.to_le_bytes().to_vec())],
            &[("w", [64, 3], 8, 32)],
        );
        let container = read(&file).unwrap();
        assert_eq!(container.metadata["a"], Meta::Unsigned(7));
        let listed = &container.tensors["w"];
        assert_eq!(
            (listed.shape.as_slice(), listed.bytes.len()),
            (&[3, 64][..], 6 * 34)
        );
    }

    #[test]
    fn hostile_files_get_one_sentence() {
        assert!(complaint(b"GGML").contains("another kind"));
        assert!(complaint(b"GG").contains("too early"));
        let whole = file(
            &[(
                "a",
                8,
                3u64.to_le_bytes().into_iter().chain(*b"abc").collect(),
            )],
            &[("w", [64, 3], 8, 0)],
        );
        for end in 0..whole.len() - 4096 {
            assert!(read(&whole[..end]).is_err(), "cut at {end}");
        }
        let long = |value: u64| file(&[("a", 8, value.to_le_bytes().to_vec())], &[]);
        assert!(complaint(&long(1 << 60)).contains("beyond the end"));
        let list = [
            0u32.to_le_bytes().to_vec(),
            (1u64 << 60).to_le_bytes().to_vec(),
        ]
        .concat();
        assert!(complaint(&file(&[("a", 9, list)], &[])).contains("beyond the end"));
        let tensor = |sides, kind, offset| complaint(&file(&[], &[("w", sides, kind, offset)]));
        assert!(tensor([64, 3], 8, 1 << 40).contains("outside the file"));
        assert!(tensor([1 << 40, 1 << 40], 0, 0).contains("outside the file"));
        assert!(tensor([64, 3], 99, 0).contains("known are F32"));
        assert!(tensor([33, 3], 8, 0).contains("do not divide"));
        assert!(tensor([u64::MAX, 1], 0, u64::MAX).contains("w"));
    }
}
