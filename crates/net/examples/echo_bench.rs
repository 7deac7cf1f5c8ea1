//! Lines through an echo service: `echo_bench [connections=64] [seconds=3] [bytes=64]`.
//!
//! Everything runs in one process: an echo service that answers each line on the worker that it runs
//! on, and outside clients (threads with plain sockets, a quarter of the connections each) that send
//! a line on every connection and wait for all of them to come back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use skynet_kernel::{Context, Handle, Message, Node, Service, factory};
use skynet_net::{EventKind, Net, NetOptions, SocketEvent};

const CLIENTS: usize = 4;

struct Echo {
    net: Arc<OnceLock<Arc<Net>>>,
    port: Sender<u16>,
}

impl Service for Echo {
    fn handle(&mut self, cx: &Arc<Context>, message: Message) {
        let Some(net) = self.net.get() else { return };
        let Some(event) = SocketEvent::parse(message.payload()) else {
            return;
        };
        match event.kind {
            EventKind::Data => {
                net.send_slice(event.id, event.data);
            }
            EventKind::Accept => net.start(cx.handle(), event.ud),
            EventKind::Close => net.close(event.id),
            EventKind::Connect if event.ud > 0 => {
                net.start(cx.handle(), event.id);
                let _ = self.port.send(event.ud as u16);
            }
            _ => {}
        }
    }
}

fn client(
    address: SocketAddr,
    connections: usize,
    bytes: usize,
    stop: &AtomicBool,
    lines: &AtomicU64,
) {
    let mut streams: Vec<_> = (0..connections)
        .map(|_| TcpStream::connect(address).expect("connects"))
        .collect();
    for stream in &streams {
        stream.set_nodelay(true).expect("an option of TCP");
    }
    let mut line = vec![b'x'; bytes];
    while !stop.load(Relaxed) {
        for stream in &mut streams {
            stream.write_all(&line).expect("sends");
        }
        for stream in &mut streams {
            stream.read_exact(&mut line).expect("comes back");
        }
        lines.fetch_add(connections as u64, Relaxed);
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| {
        arguments
            .next()
            .map_or(default, |a| a.parse().expect("a number"))
    };
    let connections: usize = number(64);
    let seconds: usize = number(3);
    let bytes: usize = number(64);

    let (sender, port) = channel();
    let net = Arc::new(OnceLock::new());
    let given = Mutex::new(Some(Echo {
        net: net.clone(),
        port: sender,
    }));
    let node = Node::builder()
        .threads(2)
        .module(
            "echo",
            factory(move || given.lock().unwrap().take().expect("launched once")),
        )
        .start()
        .expect("starts");
    node.run();
    let echo = node.launch(Handle::NONE, "echo", "").expect("launches");
    let engine = Net::new(&node, NetOptions::default()).expect("starts");
    net.get_or_init(|| engine.clone());
    engine.listen(echo, "127.0.0.1", 0, 1024).expect("listens");
    let address = SocketAddr::from(([127, 0, 0, 1], port.recv().expect("a port")));

    let (stop, lines) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| client(address, connections.div_ceil(CLIENTS), bytes, &stop, &lines));
        }
        std::thread::sleep(Duration::from_millis(300));
        let (start, before) = (Instant::now(), lines.load(Relaxed));
        std::thread::sleep(Duration::from_secs(seconds as u64));
        let rate = (lines.load(Relaxed) - before) as f64 / start.elapsed().as_secs_f64();
        println!(
            "{connections} connections: {rate:.0} lines of {bytes} bytes a second, {:.1} MiB/s each way",
            rate * bytes as f64 / (1 << 20) as f64
        );
        stop.store(true, Relaxed);
    });
    engine.stop();
    node.shutdown();
    node.wait();
}
