//! Threads that share the tiles of one operation after another.
//!
//! A forward pass is hundreds of short parallel sections. The caller takes tiles itself and waits only
//! for tiles that somebody has begun, so a thread that the system has put aside holds nobody up. A tile
//! that panics is counted like any other, and the panic goes on in the caller.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

/// Looks at the counter so often before giving the processor away, and so often again before sleeping.
const SPINS: u32 = 2_000;
const YIELDS: u32 = 200;

/// The low half of [`Board::open`] counts the tiles that nobody has taken; the high half numbers the job.
const TILES: u64 = u32::MAX as u64;

/// What the caller posts and the workers read.
struct Board {
    open: AtomicU64,
    done: AtomicUsize,
    /// The job: a pointer to the caller's closure, valid while a taken tile is not done.
    job: AtomicPtr<&'static (dyn Fn(usize) + Sync)>,
    /// What tiles of the job panicked with.
    panics: Mutex<Vec<Box<dyn Any + Send>>>,
    stopped: Mutex<bool>,
    wake: Condvar,
    asleep: AtomicUsize,
}

/// A team of threads; dropping it ends them.
pub struct Team {
    board: Arc<Board>,
    workers: Vec<JoinHandle<()>>,
    /// One job at a time.
    turn: Mutex<()>,
}

impl Team {
    /// A team of so many threads, the caller counted.
    pub fn new(threads: usize) -> Self {
        let board = Arc::new(Board {
            open: AtomicU64::new(0),
            done: AtomicUsize::new(0),
            job: AtomicPtr::new(std::ptr::null_mut()),
            panics: Mutex::new(Vec::new()),
            stopped: Mutex::new(false),
            wake: Condvar::new(),
            asleep: AtomicUsize::new(0),
        });
        let workers = (1..threads.max(1))
            .filter_map(|_| {
                let board = board.clone();
                let name = std::thread::Builder::new().name("engraft-runtime".to_owned());
                // A thread that the system refuses leaves a smaller team.
                name.spawn(move || board.work()).ok()
            })
            .collect();
        Self {
            board,
            workers,
            turn: Mutex::new(()),
        }
    }

    /// Threads, the caller counted.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `tile` once for every number below `tiles`, on all threads; returns when all are done.
    ///
    /// # Panics
    /// With what the first tile panicked with, when no tile runs any more; the team can go on.
    pub fn run(&self, tiles: usize, tile: &(dyn Fn(usize) + Sync)) {
        if tiles <= 1 || self.workers.is_empty() {
            (0..tiles).for_each(tile);
            return;
        }
        let _turn = held(&self.turn);
        let board = &*self.board;
        // SAFETY: only the lifetime is forgotten. The pointer is read by whoever has taken a tile of
        // this job, and this function returns after every taken tile is done.
        let mut job: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(tile) };
        board.job.store(&raw mut job, Ordering::Relaxed);
        board.done.store(0, Ordering::Relaxed);
        let number = (board.open.load(Ordering::Relaxed) >> 32).wrapping_add(1) & TILES;
        board
            .open
            .store(number << 32 | tiles as u64, Ordering::SeqCst);
        if board.asleep.load(Ordering::SeqCst) > 0 {
            let _held = held(&board.stopped);
            board.wake.notify_all();
        }
        while let Some(at) = board.take(number) {
            board.run(tile, at);
        }
        let mut waited = 0;
        while board.done.load(Ordering::Acquire) < tiles {
            pause(waited);
            waited += 1;
        }
        // Dropped here, where no tile is left: what a tile panicked with may panic once more.
        let panic = std::mem::take(&mut *held(&board.panics)).into_iter().next();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Splits `length` into ranges of at least `least` and calls `part` for each.
    pub fn split(
        &self,
        length: usize,
        least: usize,
        part: &(dyn Fn(std::ops::Range<usize>) + Sync),
    ) {
        let most = self.threads();
        let size = length.div_ceil(most).max(least.max(1));
        self.run(length.div_ceil(size), &|tile| {
            part(tile * size..length.min((tile + 1) * size));
        });
    }
}

impl Board {
    /// Takes a tile of the job of this number, if one is left.
    fn take(&self, number: u64) -> Option<usize> {
        let mut seen = self.open.load(Ordering::Acquire);
        loop {
            let left = seen & TILES;
            if seen >> 32 != number || left == 0 {
                return None;
            }
            let taken = self.open.compare_exchange_weak(
                seen,
                seen - 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match taken {
                Ok(_) => return Some(left as usize - 1),
                Err(now) => seen = now,
            }
        }
    }

    /// Runs a taken tile and counts it done, whatever becomes of it.
    fn run(&self, job: &(dyn Fn(usize) + Sync), at: usize) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(at))) {
            held(&self.panics).push(panic);
        }
        self.done.fetch_add(1, Ordering::Release);
    }

    fn work(&self) {
        let mut waited = 0;
        loop {
            let seen = self.open.load(Ordering::Acquire);
            if seen & TILES == 0 {
                if waited > SPINS + YIELDS {
                    if self.sleep() {
                        return;
                    }
                    waited = 0;
                }
                pause(waited);
                waited += 1;
                continue;
            }
            while let Some(at) = self.take(seen >> 32) {
                // SAFETY: a tile of this job is taken and not done, so its caller still waits and the
                // closure it posted lives.
                let job = unsafe { *self.job.load(Ordering::Relaxed) };
                self.run(job, at);
            }
            waited = 0;
        }
    }

    /// Waits for a job; whether the team has ended.
    fn sleep(&self) -> bool {
        let mut stopped = held(&self.stopped);
        self.asleep.fetch_add(1, Ordering::SeqCst);
        while !*stopped && self.open.load(Ordering::SeqCst) & TILES == 0 {
            stopped = self
                .wake
                .wait(stopped)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.asleep.fetch_sub(1, Ordering::SeqCst);
        *stopped
    }
}

/// What a lock guards stays whole when its holder panics.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pause(waited: u32) {
    match waited < SPINS {
        true => std::hint::spin_loop(),
        false => std::thread::yield_now(),
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        *held(&self.board.stopped) = true;
        self.board.wake.notify_all();
        for worker in self.workers.drain(..) {
            // Tiles do not end a worker, however they end.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tile_runs_once_whatever_the_number_of_threads() {
        for threads in [1, 2, 8] {
            let team = Team::new(threads);
            for tiles in [0, 1, 2, 7, 100] {
                for _ in 0..200 {
                    let ran: Vec<AtomicUsize> = (0..tiles).map(|_| AtomicUsize::new(0)).collect();
                    team.run(tiles, &|tile| {
                        ran[tile].fetch_add(1, Ordering::Relaxed);
                    });
                    assert!(ran.iter().all(|count| count.load(Ordering::Relaxed) == 1));
                }
            }
        }
    }

    #[test]
    fn a_tile_that_panics_panics_in_the_caller_and_leaves_the_team_whole() {
        for threads in [1, 2, 8] {
            let team = Team::new(threads);
            for bad in [0, 5, 31, 32] {
                let ran = AtomicUsize::new(0);
                let result = catch_unwind(AssertUnwindSafe(|| {
                    // The closure's own data must outlive every tile, the panicking one too.
                    let words = vec!["whole".to_owned(); 32];
                    team.run(32, &|tile| {
                        assert!(tile != bad, "tile {tile}");
                        assert_eq!(words[tile], "whole");
                        ran.fetch_add(1, Ordering::Relaxed);
                    });
                }));
                let message = result
                    .err()
                    .map(|panic| *panic.downcast::<String>().unwrap());
                assert_eq!(message, (bad < 32).then(|| format!("tile {bad}")));
                // A single thread stops at the tile; a team finishes the others.
                let others = if threads == 1 {
                    bad
                } else {
                    32 - usize::from(bad < 32)
                };
                assert_eq!(ran.load(Ordering::Relaxed), others);
            }
            let all_panic = catch_unwind(AssertUnwindSafe(|| team.run(9, &|_| panic!("all"))));
            assert!(all_panic.is_err());
            let ran = AtomicUsize::new(0);
            team.run(100, &|_| {
                ran.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(ran.into_inner(), 100);
            assert_eq!(
                team.workers
                    .iter()
                    .filter(|worker| worker.is_finished())
                    .count(),
                0
            );
        }
    }

    #[test]
    fn ranges_cover_all_without_overlap() {
        let team = Team::new(3);
        for length in [0, 1, 5, 64, 1000] {
            let seen = Mutex::new(vec![0; length]);
            team.split(length, 4, &|range| {
                range.for_each(|at| seen.lock().unwrap()[at] += 1);
            });
            assert!(seen.into_inner().unwrap().iter().all(|&count| count == 1));
        }
    }
}
