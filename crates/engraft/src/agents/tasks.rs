//! What is to be repaired: one issue of one folder, or a file of SWE-bench instances with local checkouts.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use engraft_agents::{
    Task,
    batch::Job,
    swebench::{self, Choice, Slice},
};
use jiff::Timestamp;

/// Which instances of a file are meant.
#[derive(Args, Clone, Debug)]
pub struct ChoiceFlags {
    /// Only instances whose id begins with a match of this regular expression.
    #[arg(long, value_name = "REGEX")]
    filter: Option<String>,
    /// Only those from place A to before B, as A:B.
    #[arg(long, value_name = "A:B")]
    slice: Option<Slice>,
}

impl ChoiceFlags {
    fn choice(&self) -> anyhow::Result<Choice> {
        let filter = self.filter.as_deref().unwrap_or_default();
        Ok(Choice::new(filter, self.slice, None)?)
    }
}

/// A file of issues, and who says which of them are resolved.
#[derive(Args, Clone, Debug)]
pub struct Issues {
    /// SWE-bench instances, JSONL; each with its local checkout under the key `checkout`, or below --checkouts.
    #[arg(long, value_name = "FILE")]
    pub tasks: PathBuf,
    /// The folder with a checkout for each instance, by its id.
    #[arg(long, value_name = "DIR")]
    pub checkouts: Option<PathBuf>,
    #[command(flatten)]
    choice: ChoiceFlags,
    /// Issues at once; those that are worked on together do not know of each other.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: u16,
    /// The command that says which issues are resolved, with {predictions} and {tasks} in their places; it prints JSON
    /// with the list `resolved`. Without it, what the review accepts is counted.
    #[arg(long, value_name = "COMMAND")]
    pub grade: Option<String>,
}

impl Issues {
    /// The instances with their checkouts, oldest first.
    ///
    /// # Errors
    /// As of [`many`].
    pub fn chosen(&self) -> anyhow::Result<Vec<Job>> {
        many(&self.tasks, self.checkouts.as_deref(), &self.choice)
    }

    /// The ids that the grader, run in `folder`, finds resolved by the predictions of a run; `None` without a grader.
    ///
    /// # Errors
    /// A command that cannot be started, fails, or prints something else.
    pub fn resolved(&self, run: &Path, folder: &Path) -> anyhow::Result<Option<BTreeSet<String>>> {
        let Some(command) = &self.grade else {
            return Ok(None);
        };
        let predictions = canonical(&run.join("preds/final_0.jsonl"))?;
        super::grade::grade(command, folder, &predictions, &canonical(&self.tasks)?).map(Some)
    }

    /// Paths from a folder on.
    #[must_use]
    pub fn at(mut self, folder: &Path) -> Self {
        self.tasks = folder.join(self.tasks);
        self.checkouts = self.checkouts.map(|checkouts| folder.join(checkouts));
        self
    }
}

/// One issue. Without a repository's name it is that of the folder.
///
/// # Errors
/// A folder or an issue that is not there or is empty.
pub fn single(
    folder: &Path,
    issue: &str,
    repository: Option<&str>,
    created: Option<Timestamp>,
) -> anyhow::Result<Job> {
    let checkout = folder
        .canonicalize()
        .with_context(|| format!("--repo: cannot open {}", folder.display()))?;
    anyhow::ensure!(
        checkout.is_dir(),
        "--repo: {} is no folder; name the folder of the repository",
        folder.display()
    );
    let text = text_of(issue)?;
    let name = checkout
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let repository = repository.map(str::to_owned).or(name);
    let hash = blake3::hash(text.as_bytes()).to_hex();
    Ok(Job {
        task: Task {
            id: format!("issue-{}", &hash[..10]),
            repository: repository.unwrap_or_else(|| "repository".to_owned()),
            issue: text,
            created,
        },
        checkout,
    })
}

/// A file's text, what stands at an address, or the words themselves where there is no such file.
fn text_of(issue: &str) -> anyhow::Result<String> {
    if issue.starts_with("http://") || issue.starts_with("https://") {
        return at_address(issue);
    }
    let path = Path::new(issue);
    let text = match path.is_file() {
        true => {
            let bytes =
                std::fs::read(path).with_context(|| format!("--issue: cannot read {issue}"))?;
            String::from_utf8(bytes)
                .with_context(|| format!("--issue: {issue} is not UTF-8; convert it to UTF-8"))?
        }
        // A mistyped file name is no issue.
        false if !issue.contains(char::is_whitespace) => {
            anyhow::bail!(
                "--issue: there is no file {issue}; name a file, or write the issue itself"
            )
        }
        false => issue.to_owned(),
    };
    anyhow::ensure!(
        !text.trim().is_empty(),
        "--issue: {issue} is empty; describe what goes wrong"
    );
    Ok(text)
}

/// Most bytes of an issue at an address.
const LONGEST: u64 = 4 << 20;

/// Plain text, or the title and body of JSON as GitHub's interface has them.
fn at_address(url: &str) -> anyhow::Result<String> {
    let agent = ureq::Agent::config_builder()
        .user_agent(concat!("engraft/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .new_agent();
    let mut reply = agent
        .get(url)
        .call()
        .with_context(|| format!("--issue: cannot get {url}; save the issue as a file"))?;
    let kind = reply.headers().get("content-type");
    let kind = kind
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let text = reply
        .body_mut()
        .with_config()
        .limit(LONGEST)
        .read_to_string();
    let text =
        text.with_context(|| format!("--issue: cannot read {url}; save the issue as a file"))?;
    if kind.contains("json") {
        let json: serde_json::Value = serde_json::from_str(&text)
            .with_context(|| format!("--issue: {url} gives damaged JSON"))?;
        let part = |key: &str| {
            json.get(key)
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default()
        };
        let text = format!("{}\n\n{}", part("title"), part("body"));
        anyhow::ensure!(
            !text.trim().is_empty(),
            "--issue: {url} gives JSON without `title` and `body`; save the issue as a file"
        );
        return Ok(text);
    }
    anyhow::ensure!(
        !kind.contains("html"),
        "--issue: {url} is a web page; name the address of the text itself (for GitHub \
         https://api.github.com/repos/OWNER/NAME/issues/N), or save the issue as a file"
    );
    Ok(text)
}

/// The instances of a file, oldest first, with their checkouts: the instance's key `checkout` (from the folder of the
/// file), or the folder of its name below `checkouts`.
///
/// # Errors
/// A file that cannot be read, an instance whose checkout is not there.
pub fn many(
    file: &Path,
    checkouts: Option<&Path>,
    choice: &ChoiceFlags,
) -> anyhow::Result<Vec<Job>> {
    let instances = swebench::read_instances(file)?;
    let instances = choice
        .choice()?
        .of(instances, |instance| &instance.instance_id);
    anyhow::ensure!(
        !instances.is_empty(),
        "{}: none of its instances is chosen; see `filter` and `slice`",
        file.display()
    );
    let beside = file.parent().unwrap_or(Path::new("."));
    let mut jobs = Vec::new();
    for instance in instances {
        let checkout = match (&instance.checkout, checkouts) {
            (_, Some(folder)) => folder.join(&instance.instance_id),
            (Some(path), None) => beside.join(path),
            (None, None) => anyhow::bail!(
                "{}: {} names no `checkout`; say with `checkouts` where the folders are",
                file.display(),
                instance.instance_id
            ),
        };
        anyhow::ensure!(
            checkout.is_dir(),
            "{}: the checkout of {} is not there: {}",
            file.display(),
            instance.instance_id,
            checkout.display()
        );
        jobs.push(Job {
            checkout: canonical(&checkout)?,
            task: Task {
                id: instance.instance_id,
                repository: instance.repo,
                issue: instance.problem_statement,
                created: instance.created_at,
            },
        });
    }
    // Memory grows with time, so that an issue is met with what was known then.
    jobs.sort_by_key(|job| job.task.created);
    Ok(jobs)
}

fn canonical(path: &Path) -> anyhow::Result<PathBuf> {
    path.canonicalize()
        .with_context(|| format!("cannot open {}", path.display()))
}
