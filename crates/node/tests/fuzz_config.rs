//! The checks of the fuzz target `config`, over its corpus and over what a fixed sequence of random numbers makes of
//! it.

use std::fs;

#[path = "../../../fuzz/src/config.rs"]
mod config;

/// George Marsaglia's xorshift64: the same inputs in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    /// A piece of Lua, more often than not one that fits.
    fn piece(&mut self) -> &'static [u8] {
        const PIECES: &[&[u8]] = &[
            b" ",
            b"\n",
            b"=",
            b"a",
            b"b.c",
            b"'x'",
            b"1",
            b"0x7fffffffffffffff",
            b"1e308",
            b"nil",
            b"true",
            b"{}",
            b"{a=1}",
            b"_ENV",
            b"_ENV[a]",
            b"include",
            b"include 'a.cfg'",
            b"$HOME",
            b"$EMPTY",
            b"$",
            b"$X",
            b"..",
            b"+",
            b"//",
            b"(",
            b")",
            b"function f() ",
            b" end ",
            b"local ",
            b"for i = 1, 9 do ",
            b"while a do ",
            b"if a then ",
            b"return ",
            b"goto x ",
            b"::x::",
            b"--",
            b"[[",
            b"]]",
            b"\\",
            b"'",
            b":rep(9)",
            b":gsub('.', _ENV)",
            b"\0",
            b"\xff",
            b"#",
            b"<close>",
        ];
        PIECES[self.below(PIECES.len())]
    }

    /// Changes `input` in one of the usual ways, with pieces of `other`.
    fn mutate(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(input.len() + 1);
        match self.below(6) {
            0 => input.truncate(at),
            1 if at < input.len() => drop(input.remove(at)),
            2 if at < input.len() => input[at] ^= 1 << self.below(8),
            3 => {
                let from = self.below(other.len() + 1);
                let to = from + self.below(other.len() - from + 1);
                input.splice(at..at, other[from..to].iter().copied());
            }
            _ => {
                let piece = self.piece();
                input.splice(at..at, piece.iter().copied());
            }
        }
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/config");
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
    assert!(corpus.len() > 30);
    for input in corpus {
        config::check(&input);
    }
}

#[test]
fn mutated_corpus_holds() {
    let corpus = corpus();
    let mut random = Random(0x5eed);
    for _ in 0..4_000 {
        let (i, j) = (random.below(corpus.len()), random.below(corpus.len()));
        let mut input = corpus[i].clone();
        for _ in 0..=random.below(4) {
            random.mutate(&mut input, &corpus[j]);
        }
        config::check(&input);
    }
}

#[test]
fn random_programs_hold() {
    let mut random = Random(0xc0ff_ee11);
    for _ in 0..4_000 {
        let length = random.below(40);
        let input: Vec<u8> = (0..length).flat_map(|_| random.piece().to_vec()).collect();
        config::check(&input);
    }
}
