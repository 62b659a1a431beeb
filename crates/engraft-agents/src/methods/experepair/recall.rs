//! What the agents are shown of earlier issues, and how this one is remembered.

use std::sync::{Mutex, MutexGuard, PoisonError};

use engraft_memory::{
    Change, Draft, Filter, Item, Kind, MemoryError, Source, Store,
    episodic::{
        PatchAttempt, Retrieval, Retrieved, TestAttempt, TestQuery, patch_demonstrations,
        retrieve_patches, retrieve_tests, test_demonstrations,
    },
    insights,
};
use serde::{Deserialize, Serialize};

use super::{Channels, Ran};
use crate::{Desk, compose::Slots, task::Task};

/// A memory that several issues work on at once.
pub type SharedStore = Mutex<Box<dyn Store>>;

/// The memory of a run, as its agents may use it.
pub struct Experience<'a> {
    pub store: Option<&'a SharedStore>,
    pub channels: Channels,
    /// Draws random demonstrations.
    pub seed: u64,
    /// Most rules a role.
    pub rules: usize,
    /// What items name as their run.
    pub run: String,
}

/// A wrong attempt at another issue and the right one after it; `wrong` is empty where the first attempt was
/// right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub wrong: String,
    pub right: String,
}

/// What programs read of an episode.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attempts {
    /// The issue's name.
    pub id: String,
    pub tests: Vec<TestAttempt>,
    pub patches: Vec<PatchAttempt>,
}

impl Experience<'_> {
    /// A script that showed another issue, before there is an attempt.
    pub(super) fn first_test(&self, task: &Task) -> Result<Option<Pair>, MemoryError> {
        self.test(task, TestQuery::Initial { issue: &task.issue })
    }

    /// A pair of scripts like the attempt that failed.
    pub(super) fn next_test(
        &self,
        task: &Task,
        test: &str,
        ran: &Ran,
    ) -> Result<Option<Pair>, MemoryError> {
        let exec_result = &ran.text();
        self.test(task, TestQuery::Feedback { exec_result, test })
    }

    fn test(&self, task: &Task, query: TestQuery<'_>) -> Result<Option<Pair>, MemoryError> {
        let episodes = self.episodes(task)?;
        let pool = episodes.iter().flat_map(|(issue, attempts)| {
            let pairs = test_demonstrations(issue, &attempts.tests).into_iter();
            pairs.filter(|pair| query.fits(&pair.attempt))
        });
        let pool: Vec<_> = pool.collect();
        let found = || retrieve_tests(&pool, query, &Retrieval::default());
        let shown = self.choose(task, pool.len(), found)?;
        Ok(shown.map(|index| Pair {
            wrong: pool[index].attempt.old_test.clone(),
            right: pool[index].attempt.new_test.clone(),
        }))
    }

    /// A pair of patches like the one that failed, for an issue like this one. Before there is a patch, an empty one
    /// stands for it.
    pub(super) fn patch(&self, task: &Task, patch: &str) -> Result<Option<Pair>, MemoryError> {
        let episodes = self.episodes(task)?;
        let pool = episodes.iter().flat_map(|(issue, attempts)| {
            patch_demonstrations(issue, &attempts.patches, false).into_iter()
        });
        let pool: Vec<_> = pool.collect();
        let found = || retrieve_patches(&pool, &task.issue, patch, &Retrieval::default());
        let shown = self.choose(task, pool.len(), found)?;
        Ok(shown.map(|index| Pair {
            wrong: pool[index].attempt.old_patch.clone(),
            right: pool[index].attempt.new_patch.clone(),
        }))
    }

    /// The place of the demonstration that is shown: the best found, or one drawn.
    fn choose(
        &self,
        task: &Task,
        pool: usize,
        found: impl FnOnce() -> Result<Vec<Retrieved>, MemoryError>,
    ) -> Result<Option<usize>, MemoryError> {
        match self.channels {
            _ if pool == 0 => Ok(None),
            Channels::Random => Ok(Some(self.draw(task, pool))),
            _ => Ok(found()?.first().map(|found| found.index)),
        }
    }

    /// Other issues of the same repository with what was tried on them, none that was created later.
    fn episodes(&self, task: &Task) -> Result<Vec<(String, Attempts)>, MemoryError> {
        let Some(store) = self.store.filter(|_| self.channels.demonstrations()) else {
            return Ok(Vec::new());
        };
        let filter = Filter {
            kind: Some(Kind::Episode),
            scope: Some(task.repository.clone()),
            before: task.created,
            ..Filter::default()
        };
        let items = lock(store).items(&filter)?.into_iter();
        let others = items.filter(|item| item.content.text.trim() != task.issue.trim());
        let read = others.map(|item| {
            // Data that somebody has edited into something else teaches nothing.
            let attempts = serde_json::from_value(item.content.data).unwrap_or_default();
            (item.content.text, attempts)
        });
        Ok(read.collect())
    }

    /// A number below `count`, by seed and issue.
    fn draw(&self, task: &Task, count: usize) -> usize {
        let hash = blake3::hash(format!("{}\0{}", self.seed, task.id).as_bytes());
        let number = u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap_or_default());
        (number % count as u64) as usize
    }

    /// Whether rules are shown and learnt.
    pub(super) fn learns_rules(&self) -> bool {
        self.store.is_some() && self.channels.rules()
    }

    /// Adds the rules of a role to a prompt: numbered, most votes first.
    pub(super) fn with_rules(
        &self,
        desk: &Desk<'_>,
        stage: &str,
        role: &str,
        slots: Slots,
    ) -> Result<Slots, MemoryError> {
        let rules = self.rule_items(role, desk.task)?;
        desk.meter.recalled(stage, rules.len());
        let texts: Vec<String> = rules.into_iter().map(|item| item.content.text).collect();
        Ok(slots.text("insights", insights::render(&texts)))
    }

    /// The rules of a role, most votes first, none that a later issue taught.
    pub(super) fn rule_items(&self, role: &str, task: &Task) -> Result<Vec<Item>, MemoryError> {
        let mut items = self.rules_before(role, task, task.created)?;
        items.sort_by_key(|item| (!item.pinned, std::cmp::Reverse(item.content.votes)));
        items.truncate(self.rules);
        Ok(items)
    }

    /// All rules of a role that issues before some time have taught.
    fn rules_before(
        &self,
        role: &str,
        task: &Task,
        before: Option<jiff::Timestamp>,
    ) -> Result<Vec<Item>, MemoryError> {
        let Some(store) = self.store.filter(|_| self.channels.rules()) else {
            return Ok(Vec::new());
        };
        let filter = Filter {
            kind: Some(Kind::Insight),
            role: Some(role.to_owned()),
            before,
            ..Filter::default()
        };
        let mut items = lock(store).items(&filter)?;
        // Rules that somebody has written for another repository are not for this one.
        items.retain(|item| {
            let scope = &item.content.scope;
            scope.is_empty() || *scope == task.repository
        });
        Ok(items)
    }

    /// Changes the memory, if there is one: all at once, or, where some cannot be done, those groups that can.
    /// A text that no memory takes (too long, blank, with NUL) and an item that another run has removed
    /// meanwhile are not worth an issue.
    pub(super) fn change(&self, groups: Vec<Vec<Change>>) -> Result<(), MemoryError> {
        let Some(store) = self.store else {
            return Ok(());
        };
        let apply = |changes| match lock(store).apply(&self.run, changes) {
            Ok(_) => Ok(true),
            Err(MemoryError::Refused(_) | MemoryError::Unknown(_)) => Ok(false),
            Err(error) => Err(error),
        };
        if !apply(groups.concat())? && groups.len() > 1 {
            for group in groups {
                apply(group)?;
            }
        }
        Ok(())
    }

    /// Removes the rules of a role beyond the bound, the least voted for first. It counts all there are: those of
    /// runs at the same time and those that later issues taught, which the lists of this issue do not show.
    pub(super) fn trim_rules(&self, role: &str, task: &Task) -> Result<(), MemoryError> {
        let mut items = self.rules_before(role, task, None)?;
        let beyond = items.len().saturating_sub(self.rules);
        items.retain(|item| !item.pinned);
        items.sort_by_key(|item| item.content.votes);
        let remove = |item: Item| {
            vec![Change::Remove {
                id: item.id,
                reason: "the list is full".to_owned(),
            }]
        };
        self.change(items.into_iter().take(beyond).map(remove).collect())
    }

    /// Where what this run learns from an issue comes from.
    pub(super) fn source(&self, task: &Task) -> Source {
        Source {
            run: Some(self.run.clone()),
            message: Some(task.id.clone()),
            ..Source::default()
        }
    }

    /// Keeps the tester's attempts as an episode, unless one like it is known. A run that goes on adds nothing
    /// again.
    pub(super) fn remember_tests(
        &self,
        task: &Task,
        tests: &[TestAttempt],
    ) -> Result<(), MemoryError> {
        if self.channels == Channels::None {
            return Ok(());
        }
        let source = self.source(task);
        let known = |item: &Item| {
            let attempts = || serde_json::from_value::<Attempts>(item.content.data.clone());
            item.content.source == source || attempts().is_ok_and(|known| known.tests == tests)
        };
        if self.episodes_of(task)?.iter().any(known) {
            return Ok(());
        }
        self.change(vec![vec![self.episode(task, data(task, tests, &[]))]])
    }

    /// Adds the coder's attempts to the episode. Where another run has made the same attempts, its episode stands
    /// for both.
    pub(super) fn remember_patches(
        &self,
        task: &Task,
        tests: &[TestAttempt],
        patches: &[PatchAttempt],
    ) -> Result<(), MemoryError> {
        if self.channels == Channels::None {
            return Ok(());
        }
        let data = data(task, tests, patches);
        let source = self.source(task);
        let own = self.episodes_of(task)?;
        let own = own.into_iter().find(|item| item.content.source == source);
        let change = match own {
            Some(item) => Change::Edit {
                id: item.id,
                text: None,
                data: Some(data.clone()),
            },
            None => self.episode(task, data.clone()),
        };
        self.change(vec![vec![change]])?;
        let same = self.episodes_of(task)?.into_iter();
        let (own, others): (Vec<Item>, Vec<Item>) = same
            .filter(|item| item.content.data == data)
            .partition(|item| item.content.source == source);
        match others.into_iter().next() {
            Some(other) if !own.is_empty() => self.change(vec![vec![Change::Merge {
                from: own.into_iter().map(|item| item.id).collect(),
                into: other.id,
            }]]),
            _ => Ok(()),
        }
    }

    fn episode(&self, task: &Task, data: serde_json::Value) -> Change {
        Change::Add(Draft {
            kind: Kind::Episode,
            scope: task.repository.clone(),
            role: String::new(),
            text: task.issue.clone(),
            data,
            happened: task.created,
            votes: 0,
            source: self.source(task),
        })
    }

    /// The episodes of this issue, by this run and by others.
    fn episodes_of(&self, task: &Task) -> Result<Vec<Item>, MemoryError> {
        let Some(store) = self.store else {
            return Ok(Vec::new());
        };
        let filter = Filter {
            kind: Some(Kind::Episode),
            scope: Some(task.repository.clone()),
            ..Filter::default()
        };
        let mut items = lock(store).items(&filter)?;
        items.retain(|item| item.content.text == task.issue);
        Ok(items)
    }
}

fn data(task: &Task, tests: &[TestAttempt], patches: &[PatchAttempt]) -> serde_json::Value {
    serde_json::json!(Attempts {
        id: task.id.clone(),
        tests: tests.to_vec(),
        patches: patches.to_vec(),
    })
}

// A store that a panicking thread left is as its last transaction left it.
fn lock(store: &SharedStore) -> MutexGuard<'_, Box<dyn Store>> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}
