//! A service in Rust and a service in Lua that call each other:
//!
//!     cargo run --release --example native
//!
//! The Rust service keeps a table of prices. The Lua service `shop` asks it for prices, and is asked in turn what a
//! customer may spend: a call from Rust into Lua in the middle of a call from Lua into Rust, on one worker, which waits
//! for neither.

use anyhow::Context as _;
use skynet::boot;
use skynet::config::{Config, Settings};
use skynet::service::{Actor, Cx, Error, Request, Values, args, module, table};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// Knows prices. Commands: `set item price`; `price item` → price; `quote item` → table, after asking the caller.
#[derive(Default)]
struct Prices {
    // All tasks of a service run on one worker at a time: the lock is free whenever it is asked for.
    prices: Mutex<HashMap<String, f64>>,
}

impl Actor for Prices {
    async fn started(&self, cx: &Cx, _: &str) -> Result<(), Error> {
        if !cx.name(".prices") {
            return Err("there are prices already".into());
        }
        Ok(())
    }

    async fn request(&self, cx: &Cx, request: &Request) -> Result<Values, Error> {
        match request.read::<&str>()? {
            "set" => {
                let (_, item, price): (&str, String, f64) = request.read()?;
                self.prices.lock().unwrap().insert(item, price);
                Ok(args![])
            }
            "price" => {
                let (_, item): (&str, &str) = request.read()?;
                Ok(args![self.price(item)?])
            }
            "quote" => {
                let (_, item): (&str, &str) = request.read()?;
                let price = self.price(item)?;
                // The caller is the Lua service, which waits for this request meanwhile.
                let budget: f64 = cx
                    .call(request.source(), "budget")
                    .within(Duration::from_secs(5))
                    .to()
                    .await?;
                let count = (budget / price).floor();
                cx.log(format!("{item}: {count} of them for {budget}"));
                let quote = table! { "item" => item, "price" => price, "count" => count as i64 };
                Ok(args![quote])
            }
            other => Err(format!("there is no command `{other}`").into()),
        }
    }
}

impl Prices {
    fn price(&self, item: &str) -> Result<f64, Error> {
        let price = self.prices.lock().unwrap().get(item).copied();
        price.ok_or_else(|| format!("no price for {item}").into())
    }
}

fn main() -> anyhow::Result<()> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/native");
    let mut config = Config::default();
    config.set("harbor", "0");
    config.set("thread", "2");
    config.set("luaservice", format!("{folder}/?.lua"));
    config.set("start", "shop");
    let settings = Settings::new(&config)?;
    let node = boot::start_with(&settings, |builder| {
        builder.module("prices", module(Prices::default))
    })
    .context("the node cannot start")?;
    node.run();
    node.wait();
    Ok(())
}
