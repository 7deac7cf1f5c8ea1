//! Services that hear of the ends of others.

mod support;

use skynet::service::{Actor, Cx, Departure, Error, Handle, Request, Values, args};
use support::drive;

/// Ends as it is told.
struct Mortal;

impl Actor for Mortal {
    async fn request(&self, cx: &Cx, request: &Request) -> Result<Values, Error> {
        match request.read()? {
            "exit" => cx.exit(),
            "link" => {
                let (_, to): (&str, Handle) = request.read()?;
                return Ok(args![cx.link(to)]);
            }
            _ => {}
        }
        Ok(args![])
    }
}

#[test]
fn reasons() {
    drive(2, vec![], |cx| async move {
        let start = || cx.start(Mortal).unwrap().handle();
        let mortal = start();
        let watch = cx.watch(mortal);
        cx.send(mortal, "exit").unwrap();
        assert_eq!(watch.await, Departure::Exit);
        assert_eq!(cx.watch(mortal).await, Departure::Gone);
        assert_eq!(cx.watch(".nobody").await, Departure::Gone);

        let mortal = start();
        let (first, second) = (cx.watch(mortal), cx.watch(mortal));
        drop(first);
        cx.kill(mortal);
        assert_eq!(second.await, Departure::Killed(cx.handle()));
    });
}

#[test]
fn links() {
    drive(2, vec![], |cx| async move {
        let start = || cx.start(Mortal).unwrap().handle();
        let (a, b, c) = (start(), start(), start());
        for (from, to) in [(a, b), (b, c)] {
            let linked: bool = cx.call(from, ("link", to)).to().await.unwrap();
            assert!(linked);
        }
        let watch = cx.watch(c);
        cx.kill(a);
        assert_eq!(watch.await, Departure::Killed(b));
        assert!(!cx.link(a), "it is dead");

        let (a, b) = (start(), start());
        let _: bool = cx.call(a, ("link", b)).to().await.unwrap();
        let watch = cx.watch(a);
        cx.send(a, "exit").unwrap();
        assert_eq!(watch.await, Departure::Exit);
        cx.call(b, "still there").await.unwrap();
    });
}
