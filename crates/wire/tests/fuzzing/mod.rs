//! Runs the checks of a fuzz target over its corpus, and over what a fixed sequence of random numbers makes of
//! it.

use std::{fs, mem};

/// The checks of one target.
pub struct Target {
    /// Its name, which is that of its corpus too.
    pub name: &'static str,
    /// Bytes that more often than others lead on.
    pub likely: &'static [u8],
    /// Panics if something does not hold.
    pub check: fn(&[u8]),
}

impl Target {
    /// Checks the inputs as they are, of which there are at least `at_least`.
    pub fn corpus_holds(&self, at_least: usize) {
        let corpus = self.corpus();
        assert!(corpus.len() >= at_least);
        for input in corpus {
            (self.check)(&input);
        }
    }

    /// Checks mutated inputs, `times` of them.
    pub fn mutated_corpus_holds(&self, times: usize) {
        let mut corpus = self.corpus();
        let mut random = self.random(0x5eed);
        for _ in 0..times {
            let (i, j) = (random.below(corpus.len()), random.below(corpus.len()));
            let mut input = corpus[i].clone();
            for _ in 0..=random.below(4) {
                random.mutate(&mut input, &corpus[j]);
            }
            input.truncate(512);
            (self.check)(&input);
            // Now and then go on from here, so that changes add up.
            if random.below(8) == 0 {
                mem::swap(&mut corpus[i], &mut input);
            }
        }
    }

    /// Checks random bytes, `times` times.
    pub fn random_bytes_hold(&self, times: usize) {
        let mut random = self.random(0xb17e5);
        for _ in 0..times {
            let input: Vec<u8> = (0..random.below(64)).map(|_| random.byte()).collect();
            (self.check)(&input);
        }
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus");
        let mut paths: Vec<_> = fs::read_dir(format!("{dir}/{}", self.name))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    fn random(&self, state: u64) -> Random {
        Random {
            state,
            likely: self.likely,
        }
    }
}

/// George Marsaglia's xorshift64: the same inputs in every run.
struct Random {
    state: u64,
    likely: &'static [u8],
}

impl Random {
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        if self.below(4) > 0 {
            self.likely[self.below(self.likely.len())]
        } else {
            self.next() as u8
        }
    }

    /// Changes `input` in one of the usual ways, with pieces of `other`.
    fn mutate(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(input.len() + 1);
        match self.below(6) {
            0 => input.truncate(at),
            1 => input.insert(at, self.byte()),
            2 if at < input.len() => drop(input.remove(at)),
            3 if at < input.len() => input[at] ^= 1 << self.below(8),
            4 if at < input.len() => input[at] = self.byte(),
            _ => {
                let from = self.below(other.len() + 1);
                let to = from + self.below(other.len() - from + 1);
                input.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
}
