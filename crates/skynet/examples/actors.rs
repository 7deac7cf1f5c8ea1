//! Two actors, for figures: what a message costs.
//!
//!     cargo run --release --example actors -- ask 1000000
//!
//! `tell`: messages of Rust types, handled without an answer. `ask`: a question and its answer, one after the other.
//! `send` and `call`: the same with values in the pack format.

use skynet::service::{Actor, Addr, Cx, Error, Handler, Node, Request, Values, args};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// Counts what it is told.
#[derive(Default)]
struct Counter(AtomicU64);

impl Counter {
    /// The tasks of a service never run at the same time, so this needs no atomic addition.
    fn add(&self, n: u64) -> u64 {
        let sum = self.0.load(Relaxed) + n;
        self.0.store(sum, Relaxed);
        sum
    }
}

impl Actor for Counter {
    async fn request(&self, _: &Cx, request: &Request) -> Result<Values, Error> {
        let sum = self.add(request.read()?);
        Ok(args![i64::try_from(sum)?])
    }
}

struct Add(u64);

impl Handler<Add> for Counter {
    type Answer = u64;

    async fn handle(&self, _: &Cx, Add(n): Add) -> Result<u64, Error> {
        Ok(self.add(n))
    }
}

/// Sends the messages.
struct Sender(Addr<Counter>);

impl Actor for Sender {}

struct Send {
    shape: String,
    count: u64,
}

impl Handler<Send> for Sender {
    type Answer = u64;

    async fn handle(&self, cx: &Cx, Send { shape, count }: Send) -> Result<u64, Error> {
        let counter = self.0;
        for i in 1..count {
            // So many at once that a mailbox stays small.
            let pause = i % 1000 == 0;
            match shape.as_str() {
                "tell" if pause => drop(cx.ask(counter, Add(1)).await?),
                "tell" => cx.tell(counter, Add(1))?,
                "ask" => drop(cx.ask(counter, Add(1)).await?),
                "send" if pause => drop(cx.call(counter, 1).await?),
                "send" => cx.send(counter, 1)?,
                "call" => drop(cx.call(counter, 1).to::<i64>().await?),
                other => return Err(format!("there is no {other}").into()),
            }
        }
        cx.ask(counter, Add(1)).await
    }
}

fn main() -> Result<(), Error> {
    let mut words = std::env::args().skip(1);
    let shape = words.next().ok_or("tell, ask, send or call?")?;
    let count: u64 = words.next().ok_or("how many?")?.parse()?;
    let node = Node::builder().threads(1).start()?;
    node.run();
    let cx = Cx::outside(&node)?;
    let counter = cx.start(Counter::default())?;
    let sender = cx.start(Sender(counter))?;
    let began = Instant::now();
    let sum = cx.ask(sender, Send { shape, count }).wait()?;
    let took = began.elapsed();
    println!(
        "{sum} messages, {} ns each",
        took.as_nanos() / u128::from(count)
    );
    node.shutdown();
    node.wait();
    Ok(())
}
