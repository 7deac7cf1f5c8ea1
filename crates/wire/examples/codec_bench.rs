//! How fast the pack format goes: `cargo run --profile quick -p skynet-wire --example codec_bench`.
//!
//! The message is the one of the workload `seri`: a command, a number and a table of a game's usual shape.

use std::hint::black_box;
use std::time::{Duration, Instant};

use skynet_wire::seri::{self, Reader, Token, Value, Writer, args, table};

fn sample() -> Vec<Value> {
    let item = |id: i64, n: i64| table! { "id" => id, "n" => n };
    let player = table! {
        "id" => 10086, "name" => "player-10086", "level" => 57, "hp" => 1234.5, "alive" => true,
        "pos" => table! { "x" => 1.5, "y" => -2.25, "z" => 1e10 },
        "bag" => [item(1, 20), item(2, 1), item(65537, 300), item(-5, 1 << 40)],
        "tags" => ["a", "bb", "ccc", "dddd"],
    };
    args!["cmd", 123_456, player]
}

/// What a binding does with a stream, but for building the values.
fn walk(stream: &[u8]) -> u64 {
    fn table(r: &mut Reader<'_>, array_len: usize) -> u64 {
        let mut sum = 0;
        for _ in 0..array_len {
            let token = r.value().unwrap();
            sum += take(r, token);
        }
        loop {
            let key = r.value().unwrap();
            if key == Token::Nil {
                return sum;
            }
            sum += take(r, key);
            let token = r.value().unwrap();
            sum += take(r, token);
        }
    }

    #[inline(always)]
    fn take(r: &mut Reader<'_>, token: Token<'_>) -> u64 {
        match token {
            Token::Nil => 0,
            Token::Bool(v) => v as u64,
            Token::Int(v) => v as u64 & 0xff,
            Token::Float(v) => v.to_bits() & 0xff,
            Token::Pointer(v) => v & 0xff,
            Token::Str(v) => v.len() as u64,
            Token::Table { array_len } => table(r, array_len),
        }
    }

    let mut r = Reader::new(stream);
    let mut sum = 0;
    while let Some(token) = r.next().unwrap() {
        sum += take(&mut r, token);
    }
    sum
}

/// All tokens of a stream in a row, the ends of tables as nils.
fn tokens(stream: &[u8]) -> Vec<Token<'_>> {
    let mut r = Reader::new(stream);
    std::iter::from_fn(|| r.next().unwrap()).collect()
}

/// The best of several runs: others who use the machine make a run slower, never faster.
fn measure(name: &str, bytes: usize, mut f: impl FnMut()) {
    const ROUNDS: u32 = 4_000;
    let run = |_| {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| f());
        start.elapsed()
    };
    let best: Duration = (0..150).map(run).min().unwrap();
    let ns = best.as_secs_f64() * 1e9 / ROUNDS as f64;
    println!("{name:<24} {ns:8.1} ns {:8.2} GB/s", bytes as f64 / ns);
}

fn main() {
    for (what, values) in [("player", sample()), ("call", args!["echo", 42])] {
        let bytes = seri::pack(&values).unwrap();
        let mut buf = Vec::with_capacity(4096);
        println!("{what}: {} bytes", bytes.len());
        let tokens = tokens(&bytes);
        measure("  write tokens", bytes.len(), || {
            buf.clear();
            let mut w = Writer::new(&mut buf);
            for token in black_box(&tokens) {
                match *token {
                    Token::Nil => w.nil(),
                    Token::Bool(v) => w.bool(v),
                    Token::Int(v) => w.int(v),
                    Token::Float(v) => w.float(v),
                    Token::Pointer(v) => w.pointer(v),
                    Token::Str(v) => w.bytes(v).unwrap(),
                    Token::Table { array_len } => w.begin_table(array_len),
                }
            }
            black_box(&buf);
        });
        measure("  write values", bytes.len(), || {
            buf.clear();
            let mut w = Writer::new(&mut buf);
            for v in black_box(&values) {
                v.write(&mut w).unwrap();
            }
            black_box(&buf);
        });
        measure("  read flat", bytes.len(), || {
            let mut r = Reader::new(black_box(&bytes));
            let mut sum = 0;
            while let Some(token) = r.next().unwrap() {
                sum += match token {
                    Token::Nil => 0,
                    Token::Bool(v) => v as u64,
                    Token::Int(v) => v as u64 & 0xff,
                    Token::Float(v) => v.to_bits() & 0xff,
                    Token::Pointer(v) => v & 0xff,
                    Token::Str(v) => v.len() as u64,
                    Token::Table { array_len } => array_len as u64,
                };
            }
            black_box(sum);
        });
        measure("  read tokens", bytes.len(), || {
            black_box(walk(black_box(&bytes)));
        });
        measure("  skip", bytes.len(), || {
            let mut r = Reader::new(black_box(&bytes));
            while !r.at_end() {
                r.skip().unwrap();
            }
        });
        measure("  read into values", bytes.len(), || {
            black_box(seri::unpack(black_box(&bytes)).unwrap());
        });
    }
}
