//! The checks of the fuzz target `unpack`, over its corpus and over what a fixed sequence of random numbers
//! makes of it.

use std::{fs, mem};

#[path = "../../../fuzz/src/unpack.rs"]
mod unpack;

/// George Marsaglia's xorshift64: the same inputs in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// A byte that is more often than not a header that leads on.
    fn byte(&mut self) -> u8 {
        const LIKELY: &[u8] = &[
            0, 0, 0, 0x01, 0x02, 0x0a, 0x12, 0x22, 0x42, 0x04, 0x0c, 0x06, 0x06, 0x0e, 0x16, 0xfe,
        ];
        if self.below(4) > 0 {
            LIKELY[self.below(LIKELY.len())]
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

fn corpus() -> Vec<Vec<u8>> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/unpack");
    let mut paths: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn corpus_holds() {
    let corpus = corpus();
    assert!(corpus.len() > 50);
    for input in corpus {
        unpack::check(&input);
    }
}

#[test]
fn mutated_corpus_holds() {
    let mut corpus = corpus();
    let mut random = Random(0x5eed);
    for _ in 0..200_000 {
        let (i, j) = (random.below(corpus.len()), random.below(corpus.len()));
        let mut input = corpus[i].clone();
        for _ in 0..=random.below(4) {
            random.mutate(&mut input, &corpus[j]);
        }
        input.truncate(512);
        unpack::check(&input);
        // Now and then go on from here, so that changes add up.
        if random.below(8) == 0 {
            mem::swap(&mut corpus[i], &mut input);
        }
    }
}

#[test]
fn random_bytes_hold() {
    let mut random = Random(0xb17e5);
    for _ in 0..200_000 {
        let input: Vec<u8> = (0..random.below(64)).map(|_| random.byte()).collect();
        unpack::check(&input);
    }
}
