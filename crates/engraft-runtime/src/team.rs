//! Threads that share the tiles of one operation after another.
//!
//! A forward pass is hundreds of short parallel sections. The caller takes tiles itself and waits only
//! for tiles that somebody has begun, so a thread that the system has put aside holds nobody up.

use std::{
    sync::{
        Arc, Condvar, Mutex,
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
    pub fn run(&self, tiles: usize, tile: &(dyn Fn(usize) + Sync)) {
        if tiles <= 1 || self.workers.is_empty() {
            (0..tiles).for_each(tile);
            return;
        }
        let _turn = self.turn.lock().unwrap_or_else(|held| held.into_inner());
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
            let _held = board
                .stopped
                .lock()
                .unwrap_or_else(|held| held.into_inner());
            board.wake.notify_all();
        }
        while let Some(at) = board.take(number) {
            tile(at);
            board.done.fetch_add(1, Ordering::Release);
        }
        let mut waited = 0;
        while board.done.load(Ordering::Acquire) < tiles {
            pause(waited);
            waited += 1;
        }
    }

    /// Splits `length` into ranges of at least `least` and calls `part` for each.
    pub fn split(
        &self,
        length: usize,
        least: usize,
        part: &(dyn Fn(std::ops::Range<usize>) + Sync),
    ) {
        let most = 4 * self.threads();
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
                job(at);
                self.done.fetch_add(1, Ordering::Release);
            }
            waited = 0;
        }
    }

    /// Waits for a job; whether the team has ended.
    fn sleep(&self) -> bool {
        let mut stopped = self.stopped.lock().unwrap_or_else(|held| held.into_inner());
        self.asleep.fetch_add(1, Ordering::SeqCst);
        while !*stopped && self.open.load(Ordering::SeqCst) & TILES == 0 {
            stopped = self
                .wake
                .wait(stopped)
                .unwrap_or_else(|held| held.into_inner());
        }
        self.asleep.fetch_sub(1, Ordering::SeqCst);
        *stopped
    }
}

fn pause(waited: u32) {
    match waited < SPINS {
        true => std::hint::spin_loop(),
        false => std::thread::yield_now(),
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        *self
            .board
            .stopped
            .lock()
            .unwrap_or_else(|held| held.into_inner()) = true;
        self.board.wake.notify_all();
        for worker in self.workers.drain(..) {
            // A worker that panicked has said so already.
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
