//! A service in Rust and a service in Lua that call each other:
//!
//!     cargo run --release --example native
//!
//! The Rust service keeps a table of prices. The Lua service `shop` asks it for prices, and is asked in turn what a customer
//! may spend: a call from Rust into Lua in the middle of a call from Lua into Rust, on one worker, which waits for neither.

use anyhow::Context as _;
use skynet::boot;
use skynet::lua::config::{Config, Settings};
use skynet::service::{Actor, Cx, Error, Request, Value, Values, args, module, table};
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
        let values = request.values()?;
        let text = |i: usize| {
            values
                .get(i)
                .and_then(Value::as_str)
                .ok_or("a text is missing")
        };
        match text(0)? {
            "set" => {
                let price = values
                    .get(2)
                    .and_then(Value::as_float)
                    .ok_or("a price is missing")?;
                self.prices
                    .lock()
                    .unwrap()
                    .insert(text(1)?.to_owned(), price);
                Ok(args![])
            }
            "price" => Ok(args![self.price(text(1)?)?]),
            "quote" => {
                let item = text(1)?;
                let price = self.price(item)?;
                // The caller is the Lua service, which waits for this request meanwhile.
                let budget = cx
                    .call(request.source(), args!["budget"])
                    .within(Duration::from_secs(5))
                    .await?;
                let budget = budget
                    .first()
                    .and_then(Value::as_float)
                    .ok_or("no budget")?;
                let count = (budget / price).floor();
                cx.log(format!("{item}: {count} of them for {budget}"));
                Ok(args![
                    table! { "item" => item, "price" => price, "count" => count as i64 }
                ])
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
