//! Threads that share one [`Cx::outside`]. One test in this file, since it counts threads.

mod support;

use skynet::service::{Actor, Cx, Error, Handle, Node, Request, Values, args};
use std::collections::BTreeSet;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use support::{eventually, stop};

/// Answers with the double, and notes who asks.
#[derive(Default)]
struct Doubles(Arc<Mutex<BTreeSet<Handle>>>);

impl Actor for Doubles {
    async fn request(&self, _: &Cx, request: &Request) -> Result<Values, Error> {
        self.0.lock().unwrap().insert(request.source());
        let n: i64 = request.read()?;
        Ok(args![2 * n])
    }
}

#[test]
fn threads_do_not_go_through_one_service() {
    const THREADS: usize = 4;
    let node = Node::builder()
        .threads(2)
        .log_service("logger", Some("/dev/null"))
        .start()
        .unwrap();
    node.run();
    let cx = Cx::outside(&node).unwrap();
    let askers = Arc::default();
    let doubles = cx.start(Doubles(Arc::clone(&askers))).unwrap().handle();
    let before = node.services().len();

    // The thread that has made it goes through its own service.
    assert_eq!(cx.call(doubles, 4).wait().unwrap(), args![8]);
    assert_eq!(node.services().len(), before);
    assert_eq!(*askers.lock().unwrap(), BTreeSet::from([cx.handle()]));

    let begun = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS as i64)
        .map(|thread| {
            let (cx, begun) = (cx.clone(), Arc::clone(&begun));
            thread::spawn(move || {
                begun.wait();
                for i in 0..1000 {
                    let n = thread * 1000 + i;
                    assert_eq!(cx.call(doubles, n).wait().unwrap(), args![2 * n]);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    // Four numbers in a row are four services, of which the first may be the one of this thread.
    let all = askers.lock().unwrap().len();
    assert!((THREADS..=THREADS + 1).contains(&all), "{all} services");
    assert_eq!(node.services().len(), before + all - 1);

    drop(cx);
    eventually("they go with their last use", || {
        node.services().len() == before - 1
    });
    stop(&node);
}
