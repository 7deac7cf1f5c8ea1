//! How deep values of Rust types may be.

mod support;

use skynet::record;
use skynet::service::{Actor, Cx, Error, Request, Table, Value, Values, args, table};
use std::collections::BTreeMap;
use support::drive;

/// A table with a list in it, and so on.
#[derive(Debug, PartialEq)]
struct Tree {
    children: Vec<Tree>,
}

record!(Tree { children });

struct Echo;

impl Actor for Echo {
    async fn request(&self, _: &Cx, request: &Request) -> Result<Values, Error> {
        request.values()
    }
}

fn tree(levels: usize) -> Tree {
    let leaf = Tree { children: vec![] };
    (1..levels).fold(leaf, |tree, _| Tree {
        children: vec![tree],
    })
}

/// Tables in each other, the innermost empty.
fn tables(count: usize) -> Table {
    (1..count).fold(table! {}, |inner, _| table! { "inner" => inner })
}

/// What skynet (C) refuses to pack is refused here as well, whatever it is made of, and does no harm to what is packed
/// next.
#[test]
fn what_is_too_deep_is_refused_by_the_sender() {
    drive(2, vec![], |cx| async move {
        let echo = cx.start(Echo).unwrap();
        // Two tables a level: 32 of them.
        let deep = tree(16);
        assert_eq!(cx.call(echo, &deep).to::<Tree>().await.unwrap(), deep);
        for levels in [17, 18, 1_000] {
            let answer = cx.call(echo, tree(levels)).await;
            assert!(
                matches!(answer, Err(Error::Seri(_))),
                "{levels}: {answer:?}"
            );
        }
        // In a list, or in a map in a list.
        for (count, fits) in [(32, true), (33, false)] {
            let list = vec![tables(count)];
            let values = vec![vec![Value::from(tables(count - 1))]];
            let map = vec![BTreeMap::from([("key".to_owned(), tables(count - 1))])];
            assert_eq!(cx.call(echo, (list,)).await.is_ok(), fits);
            assert_eq!(cx.call(echo, (values,)).await.is_ok(), fits);
            assert_eq!(cx.call(echo, (map,)).await.is_ok(), fits);
        }
        assert_eq!(
            cx.call(echo, (tables(33),)).await.unwrap(),
            args![tables(33)]
        );
        assert!(cx.call(echo, (tables(34),)).await.is_err());
    });
}
